//! How much more fuel a case may take than is recorded.

use std::str::FromStr;

/// The most growth, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Growth(u32);

impl FromStr for Growth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no growth: 10% is, or 0.5%");
        let number = text.strip_suffix('%').unwrap_or(text);
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        if part.is_empty() || part.len() > 2 || !part.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(wrong());
        }
        let whole: u32 = whole.parse().map_err(|_| wrong())?;
        let part: u32 = format!("{part:0<2}").parse().map_err(|_| wrong())?;
        let all = whole
            .checked_mul(100)
            .and_then(|whole| whole.checked_add(part));
        all.map(Self).ok_or_else(wrong)
    }
}

impl Growth {
    /// Why the fuel is too much, if it is.
    pub(super) fn exceeded(self, recorded: Option<u64>, fuel: Option<u64>) -> Option<String> {
        let fuel = fuel?;
        let Some(recorded) = recorded else {
            return Some("no fuel is recorded: `redis-sync test --update` does".to_owned());
        };
        let most = u128::from(recorded) * (10_000 + u128::from(self.0));
        (u128::from(fuel) * 10_000 > most).then(|| {
            let (whole, part) = (self.0 / 100, self.0 % 100);
            format!(
                "it took {fuel} fuel, more than {whole}.{part:02} % above the {recorded} recorded"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growth_is_a_percentage() {
        for (text, growth) in [
            ("10%", 1000),
            ("10", 1000),
            ("0.5%", 50),
            ("0.05", 5),
            ("0", 0),
        ] {
            assert_eq!(text.parse(), Ok(Growth(growth)), "{text}");
        }
        for wrong in ["", "%", "-1%", "1.234%", "a", "1.", "99999999999%"] {
            assert!(wrong.parse::<Growth>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_limit_itself_is_allowed_and_one_more_is_not() {
        let growth = Growth(1000);
        assert_eq!(growth.exceeded(Some(1000), Some(1100)), None);
        assert!(growth.exceeded(Some(1000), Some(1101)).is_some());
        assert!(growth.exceeded(None, Some(1)).is_some());
        assert_eq!(growth.exceeded(Some(1000), None), None);
    }
}
