//! [`ask_units`]: one call to several units. Once a quorum has answered, it waits for the slower ones only as long
//! as the caller wants.

use std::future::Future;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

/// The answers of the units that answered in time.
pub(in crate::loglets) struct Answers<T, E> {
    /// The good answers, each with the index of its call.
    pub(in crate::loglets) good: Vec<(usize, T)>,
    pub(in crate::loglets) errors: Vec<E>,
}

/// Waits until `quorum` of the answers to `calls` are good, or until all calls are answered. After the quorum, takes the
/// answers that come before `patience` ends, which may be at once. Calls without an answer are dropped then, but their
/// units may still carry them out.
pub(in crate::loglets) async fn ask_units<T, E, C>(
    calls: impl IntoIterator<Item = C>,
    quorum: usize,
    patience: impl Future<Output = ()>,
) -> Answers<T, E>
where
    C: Future<Output = Result<T, E>>,
{
    let numbered = calls.into_iter().enumerate().map(|(index, call)| async move { (index, call.await) });
    let mut calls: FuturesUnordered<_> = numbered.collect();
    let mut answers = Answers { good: Vec::new(), errors: Vec::new() };
    let mut patience = std::pin::pin!(patience);
    loop {
        let is_enough = answers.good.len() >= quorum;
        let answer = tokio::select! {
            biased;
            answer = calls.next() => answer,
            () = &mut patience, if is_enough => None,
        };
        match answer {
            Some((index, Ok(answer))) => answers.good.push((index, answer)),
            Some((_, Err(e))) => answers.errors.push(e),
            None => return answers,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures::FutureExt;
    use futures::future::BoxFuture;
    use naxos_proto::contracts::UnitError;

    use super::*;

    type Call = BoxFuture<'static, Result<u8, UnitError>>;

    fn calls() -> Vec<Call> {
        vec![pending().boxed(), ready(Ok(1)).boxed(), ready(Err(UnitError::Overloaded)).boxed(), ready(Ok(3)).boxed()]
    }

    #[test]
    fn a_hung_unit_holds_up_nothing_once_a_quorum_has_answered() {
        let answers = ask_units(calls(), 2, ready(())).now_or_never().expect("two good answers are there");
        assert_eq!(answers.good, [(1, 1), (3, 3)]);
        assert_eq!(answers.errors, [UnitError::Overloaded]);
        let waits = ask_units(calls(), 3, ready(())).now_or_never();
        assert!(waits.is_none(), "the hung unit is needed");
    }

    #[test]
    fn it_ends_without_a_quorum_when_every_unit_has_answered() {
        let answers = ask_units(calls().split_off(1), 3, pending()).now_or_never().expect("all have answered");
        assert_eq!((answers.good.len(), answers.errors.len()), (2, 1));
    }
}
