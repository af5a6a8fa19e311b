//! Whether everybody can come to an end.

/// What an account may hold, and what it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) most: u64,
    pub(super) held: u64,
}

impl Claim {
    fn need(&self) -> u64 {
        self.most - self.held
    }
}

/// Whether there is an order in which each account is given all that it may still need, and gives
/// everything back before the next one's turn. If there is one, the order of their needs is one.
pub(super) fn is_safe(claims: impl Iterator<Item = Claim> + Clone, total: u64) -> bool {
    let held = claims
        .clone()
        .fold(0_u64, |held, claim| held.saturating_add(claim.held));
    let Some(mut free) = total.checked_sub(held) else {
        return false;
    };
    let largest = claims.clone().map(|claim| claim.need()).max();
    if largest.is_none_or(|largest| largest <= free) {
        return true;
    }
    let mut claims: Vec<Claim> = claims.collect();
    claims.sort_unstable_by_key(Claim::need);
    claims.iter().all(|claim| {
        let can_end = claim.need() <= free;
        free += claim.held;
        can_end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn safe(claims: &[(u64, u64)], total: u64) -> bool {
        let claims = claims.iter().map(|&(most, held)| Claim { most, held });
        is_safe(claims, total)
    }

    #[test]
    fn dijkstras_case() {
        // Three guilders are left of ten: the second one can end, then the third, then the first.
        assert!(safe(&[(8, 2), (3, 2), (7, 3)], 10));
        // With one more lent to the first, the second still can, and then nobody.
        assert!(!safe(&[(8, 3), (3, 2), (9, 3)], 10));
    }

    #[test]
    fn more_than_there_is_is_never_safe() {
        assert!(safe(&[(5, 5), (5, 5)], 10));
        assert!(!safe(&[(5, 5), (6, 6)], 10));
        assert!(safe(&[], 0));
    }
}
