//! The loop's end of the board: writes what was found, where that has changed, and what the program was refused.

use std::collections::{BTreeMap, BTreeSet};

use serialnumberd_core::{ClaimId, Product};

use super::board::{Board, Entry, Standing};

/// What the board was told, and what it is still to be told.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// What was found when the board was last written to.
    shown: BTreeMap<Product, Standing>,
    /// Something was wished of these since: what the board has of them is no finding.
    touched: BTreeSet<Product>,
    /// What was wished of these was refused: that is shown, whoever else holds the product.
    refused: BTreeSet<Product>,
}

impl Writer {
    /// A wish for this product is taken up.
    pub(super) fn wish(&mut self, product: Product, board: &Board) {
        self.touched.insert(product);
        if self.refused.remove(&product) {
            board.forget_refusal(product);
        }
    }

    /// It was refused.
    pub(super) fn refuse(&mut self, product: Product, claim: ClaimId, sentence: String, board: &Board) {
        self.refused.insert(product);
        board.write([(product, Entry::Refused(claim, sentence))]);
    }

    /// What was found last.
    pub(super) fn shown(&self) -> &BTreeMap<Product, Standing> {
        &self.shown
    }

    /// Writes what is found now, as far as it is news.
    pub(super) fn show(&mut self, now: BTreeMap<Product, Standing>, board: &Board) {
        if now == self.shown && self.touched.is_empty() {
            return;
        }
        let gone = self.shown.iter().filter(|(product, _)| !now.contains_key(product));
        board.remove(gone.map(|(product, standing)| (*product, standing.claim)));
        let news = now.iter().filter(|(product, standing)| {
            let is_news = self.touched.contains(product) || self.shown.get(product) != Some(standing);
            is_news && !self.refused.contains(product)
        });
        board.write(news.map(|(product, standing)| (*product, Entry::Held(standing.clone()))));
        (self.shown, self.touched) = (now, BTreeSet::new());
    }
}

#[cfg(test)]
mod tests {
    use serialnumberd_core::State;

    use super::super::failure::Kind;
    use super::*;
    use crate::record::{Decision, Verdict};

    const A: ClaimId = ClaimId([1; 16]);
    const B: ClaimId = ClaimId([2; 16]);
    const MOST: usize = 2;

    fn product(name: &str) -> Product {
        Product::new(name).unwrap()
    }

    fn held(claim: ClaimId, state: State) -> Standing {
        let decision = Decision { verdict: Verdict::ALLOW, reason: format!("{state}") };
        Standing { claim, decision, state, settled: true, away: None }
    }

    struct Case {
        board: Board,
        writer: Writer,
    }

    impl Case {
        fn new() -> Case {
            Case { board: Board::default(), writer: Writer::default() }
        }

        fn show(&mut self, now: &[(&str, Standing)]) {
            let now = now.iter().map(|(name, standing)| (product(name), standing.clone())).collect();
            self.writer.show(now, &self.board);
        }

        /// What a program is told of "x": the reason, or what kind of refusal.
        fn told(&self) -> Result<String, Kind> {
            self.board.check(product("x")).map(|answer| answer.reason).map_err(|e| e.kind)
        }

        fn waits(&self) -> bool {
            self.told().is_ok_and(|reason| reason.contains("waits for the next turn"))
        }
    }

    #[test]
    fn a_wish_is_not_overwritten_by_what_was_found_of_the_claim_before() {
        let mut case = Case::new();
        case.show(&[("x", held(A, State::Clear))]);
        case.board.wish(product("x"), A, MOST).unwrap();
        assert_eq!(case.told(), Ok("clear".to_owned()), "it is held already");
        case.board.wish(product("x"), B, MOST).unwrap();
        assert!(case.waits());
        // The loop has not taken the wish up yet.
        case.show(&[("x", held(A, State::Duplicate))]);
        assert!(case.waits());
        case.show(&[]);
        assert!(case.waits(), "nor is it removed with the claim before");
        case.writer.wish(product("x"), &case.board);
        case.show(&[("x", held(B, State::Probing))]);
        assert_eq!(case.told(), Ok("probing".to_owned()));
    }

    #[test]
    fn a_wish_for_what_is_held_is_answered_though_nothing_changed() {
        let mut case = Case::new();
        case.show(&[("x", held(A, State::Clear))]);
        case.board.wish(product("x"), B, MOST).unwrap();
        case.board.wish(product("x"), A, MOST).unwrap();
        assert!(case.waits());
        case.writer.wish(product("x"), &case.board);
        case.show(&[("x", held(A, State::Clear))]);
        assert_eq!(case.told(), Ok("clear".to_owned()));
    }

    #[test]
    fn a_refusal_stays_until_it_is_taken_back_or_something_else_is_wished() {
        let mut case = Case::new();
        case.show(&[("x", held(A, State::Clear))]);
        // Another serial, or the same one with other seats.
        for claim in [B, A] {
            case.board.wish(product("x"), claim, MOST).unwrap();
            case.writer.wish(product("x"), &case.board);
            case.writer.refuse(product("x"), claim, "no".to_owned(), &case.board);
            case.show(&[("x", held(A, State::Duplicate))]);
            case.show(&[("x", held(A, State::Clear))]);
            assert_eq!(case.told(), Err(Kind::Denied));
            // Taken back.
            case.writer.wish(product("x"), &case.board);
            case.show(&[("x", held(A, State::Clear))]);
            assert_eq!(case.told(), Ok("clear".to_owned()));
        }
        // And where nobody else holds it, nothing is left.
        case.show(&[]);
        case.board.wish(product("x"), A, MOST).unwrap();
        case.writer.wish(product("x"), &case.board);
        case.writer.refuse(product("x"), A, "no".to_owned(), &case.board);
        case.show(&[]);
        assert_eq!(case.told(), Err(Kind::Denied));
        case.writer.wish(product("x"), &case.board);
        case.show(&[]);
        assert_eq!(case.told(), Err(Kind::Invalid));
    }

    #[test]
    fn the_board_has_its_bound_and_its_end() {
        let board = Board::default();
        for name in ["x", "y", "x"] {
            board.wish(product(name), A, MOST).unwrap();
        }
        assert_eq!(board.wish(product("z"), A, MOST).unwrap_err().kind, Kind::NoMemory);
        board.close();
        assert_eq!(board.wish(product("x"), A, MOST).unwrap_err().kind, Kind::Closed);
        assert_eq!(board.check(product("x")).unwrap_err().kind, Kind::Closed);
    }
}
