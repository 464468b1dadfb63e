//! The numbers of G.722 §6.2 (tables 14 to 21), partly unfolded into tables by code.

/// Decision levels of the lower band's quantiser of 60 levels, in units of the scale factor (Q6). The last three never
/// decide: they fill a vector.
const LEVELS: [u16; 32] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219,
    1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919, 3200, 3200, 3200,
];
const DECIDING: u16 = 29;

/// Output levels of the inverse quantisers of 16, 30 and 60 levels (OQ4, OQ5, OQ6).
const OUT_4: [i16; 8] = [0, 150, 323, 530, 786, 1121, 1612, 2557];
const OUT_5: [i16; 16] = [0, 35, 110, 190, 276, 370, 473, 587, 714, 858, 1023, 1219, 1458, 1765, 2195, 2919];
const OUT_6: [i16; 31] = [
    0, 17, 54, 91, 130, 170, 211, 254, 300, 347, 396, 447, 501, 558, 618, 682, 750, 822, 899, 982, 1072,
    1170, 1279, 1399, 1535, 1689, 1873, 2088, 2376, 2738, 3101,
];

/// What each of the eight sizes of a difference adds to the lower band's logarithmic scale factor (WL).
const LOG_4: [i16; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
/// Powers of two in 32nds, from 2048 (ILB).
const POWERS: [u16; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896,
    2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

/// The inverse quantiser of four bits: what the predictor sees of the lower band's code.
pub(super) const LOWER_4: [i16; 16] = {
    let mut table = [0; 16];
    let mut code = 0;
    while code < 16 {
        table[code] = signed(&OUT_4, size_4(code), code < 8);
        code += 1;
    }
    table
};

/// What a code of four bits adds to the logarithmic scale factor of the lower band.
pub(super) const LOWER_LOG: [i16; 16] = {
    let mut table = [0; 16];
    let mut code = 0;
    while code < 16 {
        table[code] = LOG_4[size_4(code)];
        code += 1;
    }
    table
};

/// The lower band's differences for codes of six bits at 64, 56 and 48 kbit/s: of the latter the last bit or two are
/// not the sound's.
pub(super) const LOWER: [[i16; 64]; 3] = {
    let mut tables = [[0; 64]; 3];
    let mut code = 0;
    while code < 64 {
        tables[0][code] = match code {
            0..4 => signed(&OUT_6, 1, true),
            4..32 => signed(&OUT_6, 34 - code, true),
            62.. => signed(&OUT_6, 64 - code, true),
            _ => signed(&OUT_6, 62 - code, false),
        };
        let five = code >> 1;
        tables[1][code] = match five {
            0..2 => signed(&OUT_5, 1, true),
            2..16 => signed(&OUT_5, 17 - five, true),
            31 => signed(&OUT_5, 1, true),
            _ => signed(&OUT_5, 31 - five, false),
        };
        tables[2][code] = LOWER_4[code >> 2];
        code += 1;
    }
    tables
};

/// The higher band's differences for two bits, and what they add to its logarithmic scale factor.
pub(super) const HIGHER_2: [i16; 4] = [-926 * 8, -202 * 8, 926 * 8, 202 * 8];
pub(super) const HIGHER_LOG: [i16; 4] = [798, -214, 798, -214];

/// The codes for a difference by its size, 1 to 30: positive, and negative.
const CODES: [[u8; 32]; 2] = {
    let mut codes = [[0; 32]; 2];
    let mut size = 1;
    while size <= 30 {
        codes[0][size] = 62 - size as u8;
        codes[1][size] = if size <= 2 { 64 - size as u8 } else { 34 - size as u8 };
        size += 1;
    }
    codes
};

/// Scale factors in 32nds of an octave; the lower band begins two octaves up.
pub(super) const LOWER_OFFSET: usize = 64;
pub(super) const HIGHER_OFFSET: usize = 0;
const SCALES: [i16; 353] = {
    let mut table = [0; 353];
    let mut index = 0;
    while index < table.len() {
        let power = POWERS[index & 31] as u32;
        table[index] = ((power << (index >> 5) >> 10) << 2) as i16;
        index += 1;
    }
    table
};

/// The magnitude that a code of four bits stands for, as an index.
const fn size_4(code: usize) -> usize {
    match code {
        0 => 0,
        1..8 => 8 - code,
        _ => 15 - code,
    }
}

const fn signed(levels: &[i16], size: usize, negative: bool) -> i16 {
    let level = levels[size] << 3;
    if negative { -level } else { level }
}

/// The step for a logarithmic scale factor.
#[inline(always)]
pub(super) fn scale(log_scale: i16, offset: usize) -> i16 {
    // Cannot be out of bounds: the factors are clamped to 288 and 352 times 64.
    SCALES[usize::from(log_scale.cast_unsigned() >> 6) + offset]
}

/// QUANTL: the size of a difference is the number of decision levels that it reaches.
#[inline(always)]
pub(super) fn quantise_lower(difference: i16, scale: i16) -> u8 {
    let sign = difference >> 15;
    let magnitude = (difference ^ sign).cast_unsigned();
    let scale = u32::from(scale.cast_unsigned());
    let reached: u16 = LEVELS
        .iter()
        .map(|&level| {
            let level = ((u32::from(level << 4) * scale) >> 16) as u16;
            u16::from(magnitude.cast_signed() >= level.cast_signed())
        })
        .sum();
    CODES[usize::from(sign != 0)][usize::from(reached.min(DECIDING) + 1) & 31]
}

/// QUANTH.
#[inline(always)]
pub(super) fn quantise_higher(difference: i16, scale: i16) -> u8 {
    let sign = difference >> 15;
    let level = (564 * 8 * i32::from(scale)) >> 15;
    let large = i32::from(difference ^ sign) >= level;
    // 3 and 1 for small, 2 and 0 for large; the negative ones are below 2.
    (if sign == 0 { 3 } else { 1 }) - u8::from(large)
}
