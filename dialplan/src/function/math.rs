//! Functions of numbers.

use smol_str::{SmolStr, ToSmolStr, format_smolstr};

use super::text::truth;
use super::{Answer, Function, arg, int};
use crate::number::Number;
use crate::scene::Scene;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("MATH", "MATH(number operator number[,type])", "A sum, product, comparison, ... of two numbers.")
        .takes(1, 2, "Two numbers with + - * / % ^ AND OR XOR << >> < > <= >= == between; float, int, hex or char: float if not given.")
        .reads(math),
    Function::new("INC", "INC(variable)", "Adds one to a variable.")
        .about("The variable's name without ${}.")
        .reads(|scene, args| step(scene, args, 1)),
    Function::new("DEC", "DEC(variable)", "Takes one off a variable.")
        .about("The variable's name without ${}.")
        .reads(|scene, args| step(scene, args, -1)),
    Function::new("RAND", "RAND([low][,high])", "A whole number by chance, from low to high.")
        .takes(0, 2, "0 if not given; 2147483647 if not given.")
        .reads(|scene, args| {
            let (low, high) = (int(args, 0, 0)?, int(args, 1, i64::from(i32::MAX))?);
            Ok(scene.world.random(low.min(high), low.max(high)).to_smolstr())
        }),
    Function::new("ABS", "ABS(number)", "A number without its sign.").reads(|_, args| {
        let number = number(arg(args, 0))?;
        Ok(if number.is_negative() { number.neg() } else { number }.to_smolstr())
    }),
    Function::new("MIN", "MIN(number,number)", "The smaller of two numbers.")
        .takes(2, 2, "")
        .reads(|_, args| extreme(args, std::cmp::Ordering::Less)),
    Function::new("MAX", "MAX(number,number)", "The larger of two numbers.")
        .takes(2, 2, "")
        .reads(|_, args| extreme(args, std::cmp::Ordering::Greater)),
];

fn number(text: &str) -> Result<Number, SmolStr> {
    Number::parse(text).ok_or_else(|| format_smolstr!("`{text}` is not a number"))
}

fn extreme(args: &[SmolStr], wanted: std::cmp::Ordering) -> Answer {
    let (one, other) = (number(arg(args, 0))?, number(arg(args, 1))?);
    Ok(if other.order(one) == wanted { other } else { one }.to_smolstr())
}

fn step(scene: &mut Scene<'_>, args: &[SmolStr], by: i64) -> Answer {
    let name = arg(args, 0);
    let value = scene.variable(name).unwrap_or_default();
    let value = if value.is_empty() { Number::ZERO } else { number(&value)? };
    let sum = value.add(Number::from_int(by)).unwrap_or(value).to_smolstr();
    scene.set(name, &sum);
    Ok(sum)
}

/// Longer ones first where one begins another.
const OPERATORS: &[&str] =
    &["<<", ">>", "<=", ">=", "==", "AND", "XOR", "OR", "MOD", "POW", "+", "*", "/", "%", "^", "<", ">", "-"];

fn math(_: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    let text = arg(args, 0).trim();
    // A sign at the start belongs to the number.
    let start = usize::from(text.starts_with(['-', '+']));
    let place = (start..text.len()).filter(|at| text.is_char_boundary(*at)).find_map(|at| {
        let operator = OPERATORS.iter().find(|operator| text[at..].starts_with(**operator))?;
        Some((at, *operator))
    });
    let Some((at, operator)) = place else {
        return Err(format_smolstr!("`{text}` has no operator in it: MATH(1+2)"));
    };
    let (left, right) = (number(&text[..at])?, number(&text[at + operator.len()..])?);
    let ints = || left.to_int().zip(right.to_int()).ok_or(SmolStr::new_static("a number is too large"));
    let shift = |by: i64| u32::try_from(by).unwrap_or(u32::MAX);
    let result = match operator {
        "+" => left.add(right),
        "-" => left.sub(right),
        "*" => left.mul(right),
        "/" => left.div(right),
        "%" | "MOD" => left.rem(right),
        "^" | "POW" => right.to_int().and_then(|power| left.pow(power)),
        "AND" => Some(ints().map(|(left, right)| Number::from_int(left & right))?),
        "OR" => Some(ints().map(|(left, right)| Number::from_int(left | right))?),
        "XOR" => Some(ints().map(|(left, right)| Number::from_int(left ^ right))?),
        "<<" => ints()?.0.checked_shl(shift(ints()?.1)).map(Number::from_int),
        ">>" => ints()?.0.checked_shr(shift(ints()?.1)).map(Number::from_int),
        _ => {
            let order = left.order(right);
            let holds = match operator {
                "<" => order.is_lt(),
                ">" => order.is_gt(),
                "<=" => order.is_le(),
                ">=" => order.is_ge(),
                _ => order.is_eq(),
            };
            return truth(holds).map(|one| if one == "1" { "TRUE".into() } else { "FALSE".into() });
        }
    };
    let result = result.ok_or(SmolStr::new_static("a division by zero, or a number that is too large"))?;
    shown(result, arg(args, 1).trim())
}

fn shown(result: Number, kind: &str) -> Answer {
    let whole = || result.to_int().ok_or(SmolStr::new_static("a number is too large"));
    Ok(match kind.to_ascii_lowercase().as_str() {
        "int" | "i" => whole()?.to_smolstr(),
        "hex" | "h" => format_smolstr!("{:x}", whole()?),
        "char" | "c" => {
            let code = u32::try_from(whole()?).ok().and_then(char::from_u32);
            code.map(|c| c.to_smolstr()).unwrap_or_default()
        }
        // As the field prints a float: six digits after the point.
        "" | "float" | "f" => six_digits(result),
        kind => return Err(format_smolstr!("`{kind}` is no type: float, int, hex or char")),
    })
}

fn six_digits(number: Number) -> SmolStr {
    let million = Number::from_int(1_000_000);
    let scaled = number.mul(million).and_then(Number::round).and_then(Number::to_int);
    match scaled {
        Some(scaled) => {
            let sign = if scaled < 0 { "-" } else { "" };
            let scaled = scaled.unsigned_abs();
            format_smolstr!("{sign}{}.{:06}", scaled / 1_000_000, scaled % 1_000_000)
        }
        None => number.to_smolstr(),
    }
}
