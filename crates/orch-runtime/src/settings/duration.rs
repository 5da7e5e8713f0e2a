use orch_core::base::Millis;

/// The longest span that a setting may have.
const LONGEST: u64 = 366 * 24 * 60 * 60 * 1000;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Parses `250ms`, `90s`, `5m`, `1h30m`, `2h 5m`: whole numbers with units, the larger unit first.
pub(super) fn parse(text: &str) -> Result<Millis, &'static str> {
    const SHAPE: &str = "it is no duration";
    let mut rest = text.trim();
    let (mut total, mut below) = (0u64, u64::MAX);
    if rest.is_empty() {
        return Err(SHAPE);
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| SHAPE)?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
        let unit = UNITS.iter().find(|(name, _)| *name == &rest[..letters]).map(|(_, ms)| *ms).ok_or(SHAPE)?;
        if unit >= below {
            return Err(SHAPE);
        }
        below = unit;
        total = number.checked_mul(unit).and_then(|ms| total.checked_add(ms)).ok_or("it is too long")?;
        rest = rest[letters..].trim_start();
    }
    if total > LONGEST { Err("it is too long") } else { Ok(Millis(total)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units() {
        let table = [
            ("250ms", Ok(250)),
            ("90s", Ok(90_000)),
            ("5m", Ok(300_000)),
            ("1h30m", Ok(5_400_000)),
            (" 2h 5m ", Ok(7_500_000)),
            ("1d1h1m1s1ms", Ok(90_061_001)),
            ("0s", Ok(0)),
            ("366d", Ok(LONGEST)),
            ("367d", Err("it is too long")),
            ("99999999999999999d", Err("it is too long")),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected.map(Millis), "{text:?}");
        }
        let bad =
            ["", " ", "5", "m", "5 m", "-5m", "+5m", "1.5s", "5M", "5min", "5m5m", "5m1h", "5mm", "٣s", "5m;", "1e3s"];
        for text in bad {
            assert_eq!(parse(text), Err("it is no duration"), "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_to_people_can_be_written_back() {
        for ms in [250, 12_000, 300_000, 303_000, 7_500_000, 86_400_000] {
            assert_eq!(parse(&Millis(ms).to_string()), Ok(Millis(ms)));
        }
    }
}
