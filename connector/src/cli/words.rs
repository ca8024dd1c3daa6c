//! A fingerprint as six words to read over a telephone. Words and digits say the same 64 bits, so either can be told and typed.
//!
//! The words are those of BIP-39 in English, 11 bits each, the most significant first; the two bits that are left over are zero.
//! They are for people alone: nothing on the wire or in a file has them.

use bip39::Language;

/// Words of a fingerprint.
const COUNT: u32 = 6;
/// Bits of a word.
const BITS: u32 = 11;
/// Bits that the last word has too many.
const SPARE: u32 = COUNT * BITS - 64;

/// The words of a fingerprint of 16 hexadecimal digits; empty for other text.
pub(super) fn of(fingerprint: &str) -> String {
    let digits: String = fingerprint.split_whitespace().collect();
    let Some(bits) = Some(digits).filter(|d| d.len() == 16).and_then(|d| u64::from_str_radix(&d, 16).ok())
    else {
        return String::new();
    };
    let list = Language::English.word_list();
    let padded = u128::from(bits) << SPARE;
    let word = |at: u32| {
        let index = (padded >> ((COUNT - 1 - at) * BITS)) & ((1 << BITS) - 1);
        usize::try_from(index).ok().and_then(|index| list.get(index)).copied().unwrap_or_default()
    };
    (0..COUNT).map(word).collect::<Vec<_>>().join(" ")
}

/// What a person typed, as digits: six words are turned into them, everything else is left as it is.
pub(super) fn to_digits(told: &str) -> String {
    let words: Vec<String> = told.split_whitespace().map(str::to_lowercase).collect();
    let list = Language::English.word_list();
    let found: Option<Vec<usize>> = words.iter().map(|word| list.iter().position(|of| of == word)).collect();
    let Some(found) = found.filter(|found| found.len() == COUNT as usize) else { return told.to_owned() };
    let padded = found.iter().fold(0_u128, |all, index| all << BITS | *index as u128);
    if padded & ((1 << SPARE) - 1) != 0 {
        return told.to_owned();
    }
    format!("{:016x}", padded >> SPARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_digits_say_the_same() {
        for digits in ["8c2a346d3eaa63ac", "0000000000000000", "ffffffffffffffff", "0123456789abcdef"] {
            let words = of(digits);
            assert_eq!(words.split(' ').count(), 6, "{words}");
            assert_eq!(to_digits(&words), digits);
            assert_eq!(to_digits(&words.to_uppercase().replace(' ', "  ")), digits);
        }
        // The first and the last word of the list.
        assert_eq!(of("0000 0000 0000 0000"), "abandon abandon abandon abandon abandon abandon");
        assert!(of("ffff ffff ffff ffff").starts_with("zoo zoo zoo zoo zoo "));
    }

    #[test]
    fn what_are_no_words_stays_as_it_was_typed() {
        let spare = "abandon abandon abandon abandon abandon ability";
        for told in ["8c2a 346d 3eaa 63ac", "zoo zoo zoo", "zoo zoo zoo zoo zoo naru", spare, ""] {
            assert_eq!(to_digits(told), told);
        }
        assert_eq!(of("8c2a"), "");
        assert_eq!(of("zz2a 346d 3eaa 63ac"), "");
    }
}
