//! Functions of what is kept: values of the exchange, of subroutines, and tables.

use smol_str::{SmolStr, format_smolstr};

use super::text::truth;
use super::{Answer, Done, Function, arg};
use crate::scene::Scene;

const KEY: &str = "Family and key with a slash between; the key may have slashes.";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("DB", "DB(family/key)", "A lasting value of the exchange.")
        .about(KEY)
        .reads(db)
        .writes(set_db),
    Function::new(
        "DB_EXISTS",
        "DB_EXISTS(family/key)",
        "1 if there is such a value, else 0; DB_RESULT has it.",
    )
    .about(KEY)
    .reads(|scene, args| {
        let value = db_value(scene, args)?;
        if let Some(value) = &value {
            scene.set("DB_RESULT", value);
        }
        truth(value.is_some())
    }),
    Function::new("DB_DELETE", "DB_DELETE(family/key)", "Deletes a lasting value and gives what it was.")
        .about(KEY)
        .reads(|scene, args| {
            let value = db_value(scene, args)?.unwrap_or_default();
            let (family, key) = family(arg(args, 0))?;
            scene.world.set_db(family, key, None);
            scene.set("DB_RESULT", &value);
            Ok(value)
        })
        .writes(|scene, args, _| {
            let (family, key) = family(arg(args, 0))?;
            scene.world.set_db(family, key, None);
            Ok(())
        }),
    Function::new("GLOBAL", "GLOBAL(name)", "A variable of the whole exchange.")
        .reads(|scene, args| Ok(scene.global(arg(args, 0)).unwrap_or_default()))
        .writes(|scene, args, value| {
            let name = arg(args, 0);
            let set = scene.world.set_global(name, value);
            if set { Ok(()) } else { Err(format_smolstr!("no room for a global named {name}")) }
        }),
    Function::new("LOCAL", "LOCAL(name)", "A variable of this subroutine, gone with its Return.")
        .reads(|scene, args| Ok(scene.variable(arg(args, 0)).unwrap_or_default()))
        .writes(|scene, args, value| {
            let set = scene.channel.vars.set_local(arg(args, 0), value);
            if set { Ok(()) } else { Err(format_smolstr!("no room for {}", arg(args, 0))) }
        }),
    Function::new("SET", "SET(name=value)", "Sets a variable and gives the value.").whole(|scene, args| {
        let (name, value) = arg(args, 0).split_once('=').ok_or("it needs NAME=value")?;
        scene.set(name.trim(), value);
        Ok(value.into())
    }),
    Function::new("HASH", "HASH(table,key)", "A value of a table of this channel.")
        .takes(2, 2, "The table's name; the key.")
        .reads(|scene, args| {
            Ok(scene.channel.vars.table(arg(args, 0), arg(args, 1)).cloned().unwrap_or_default())
        })
        .writes(|scene, args, value| {
            let known = scene.channel.vars.table(arg(args, 0), arg(args, 1)).is_some();
            if !known && !scene.channel.vars.may_hold("") {
                scene.channel.full = true;
                return Ok(());
            }
            let set = scene.channel.vars.set_table(arg(args, 0), arg(args, 1), value);
            if set { Ok(()) } else { Err(format_smolstr!("no room in {}", arg(args, 0))) }
        }),
    Function::new("HASHKEYS", "HASHKEYS(table)", "The keys of a table of this channel, with commas between.")
        .reads(|scene, args| {
            let keys: Vec<&str> = scene.channel.vars.keys(arg(args, 0)).map(SmolStr::as_str).collect();
            Ok(keys.join(",").into())
        }),
    Function::new("CLEARHASH", "CLEARHASH(table)", "Empties a table of this channel.").reads(
        |scene, args| {
            scene.channel.vars.clear_table(arg(args, 0));
            Ok(SmolStr::default())
        },
    ),
    Function::new(
        "ARRAY",
        "ARRAY(name,name,...)",
        "Sets several variables, from values with commas between.",
    )
    .takes(1, 64, "Names of variables.")
    .writes(|scene, args, value| {
        let mut values = value.split(',');
        for name in args {
            scene.set(name, values.next().unwrap_or_default());
        }
        Ok(())
    }),
    Function::new(
        "VARIABLE_EXISTS",
        "VARIABLE_EXISTS(name)",
        "1 if there is a variable of that name, else 0.",
    )
    .reads(|scene, args| truth(scene.variable(arg(args, 0)).is_some())),
];

fn family(path: &str) -> Result<(&str, &str), SmolStr> {
    let parts = path.split_once('/').filter(|(family, key)| !family.is_empty() && !key.is_empty());
    parts.ok_or_else(|| format_smolstr!("`{path}` needs a family and a key: family/key"))
}

fn db_value(scene: &mut Scene<'_>, args: &[SmolStr]) -> Result<Option<SmolStr>, SmolStr> {
    let (family, key) = family(arg(args, 0))?;
    Ok(scene.world.db(family, key))
}

fn db(scene: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    let value = db_value(scene, args)?.unwrap_or_default();
    scene.set("DB_RESULT", &value);
    Ok(value)
}

fn set_db(scene: &mut Scene<'_>, args: &[SmolStr], value: &str) -> Done {
    let (family, key) = family(arg(args, 0))?;
    if scene.world.set_db(family, key, Some(value)) {
        Ok(())
    } else {
        Err(format_smolstr!("no room for {family}/{key}"))
    }
}
