//! What one look at an account asks once, though several kinds want to know it.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::cloud::Fault;

use super::Aws;

/// Answers by their type, and by what was asked about.
#[derive(Debug, Default)]
pub struct Look(Mutex<BTreeMap<(TypeId, String), Arc<dyn Any + Send + Sync>>>);

/// A failure is an answer too: what failed after all attempts is not begun again by each who asks.
type Cell<T> = OnceCell<Result<Arc<T>, Fault>>;

impl Look {
    fn cell<T: Send + Sync + 'static>(&self, about: &str) -> Arc<Cell<T>> {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (TypeId::of::<T>(), about.to_owned());
        let cell = cells.entry(key).or_insert_with(|| Arc::new(Cell::<T>::new()));
        Arc::clone(cell).downcast().expect("a cell is kept under the type of what is in it")
    }
}

impl Aws {
    /// For one look at everything. The next one begins anew: others may have been at work.
    #[must_use]
    pub fn afresh(&self) -> Self {
        Self { look: Some(Arc::default()), keys: Arc::default(), ..self.clone() }
    }

    /// Whether everything is looked at: then a listing is made in any case, and one more that
    /// reads it costs nothing.
    pub fn looks_at_everything(&self) -> bool {
        self.look.is_some()
    }

    /// What `ask` answers about something; within a look it is asked once. Who does not look at
    /// everything, as an apply that waits, asks each time.
    pub async fn once<T: Send + Sync + 'static>(
        &self,
        about: &str,
        ask: impl Future<Output = Result<T, Fault>>,
    ) -> Result<Arc<T>, Fault> {
        let Some(look) = &self.look else { return ask.await.map(Arc::new) };
        let cell = look.cell::<T>(about);
        cell.get_or_init(|| async { ask.await.map(Arc::new) }).await.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::canned::Canned;
    use super::*;
    use crate::cloud::Class;
    use crate::kind::{Owner, Place};

    #[tokio::test]
    async fn a_look_asks_once_and_the_next_one_anew() {
        let place = Place {
            partition: "aws".into(),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            owner: Owner("a".into()),
        };
        let aws = Aws::new(Canned::default().config(), place);
        let (first, second) = (aws.afresh(), aws.afresh());
        for (of, about, answer, told) in [
            (&aws, "a", Some(1), Some(1)),
            (&aws, "a", Some(2), Some(2)),
            (&first, "a", Some(3), Some(3)),
            (&first, "a", Some(4), Some(3)),
            (&first, "c", None, None),
            (&first, "c", Some(7), None),
            (&aws, "c", Some(8), Some(8)),
            (&first, "b", Some(5), Some(5)),
            (&second, "a", Some(6), Some(6)),
            (&first.clone(), "a", None, Some(3)),
        ] {
            let fault = || Fault::new(Class::Lost, "ask", "no answer");
            let found = of.once(about, async { answer.ok_or_else(fault) }).await;
            assert_eq!(found.ok().as_deref(), told.as_ref(), "{about} {answer:?}");
        }
        let other = first.once("a", async { Ok("of another type") }).await;
        assert_eq!(other.as_deref(), Ok(&"of another type"));
    }
}
