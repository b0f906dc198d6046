//! A question to the warehouse: it is asked once, waited for, and taken up again if it was asked before.
//!
//! Never asks the same question twice side by side, and never classifies an error: [`failure`] does.

use sluice_core::destination::{Asking, QueryError, StatementId};
use sluice_core::hash;
use sluice_core::ports::{Objects, PortError, PortErrorKind, Service};

use crate::config::RedshiftFeed;
use crate::{Description, RedshiftDestination, Statements, Status, Submission, failure, sql};

impl<S: Statements, O: Objects> RedshiftDestination<S, O> {
    /// Asks a question, and returns its rows.
    pub(crate) async fn query(
        &self,
        feed: RedshiftFeed<'_>,
        what: &str,
        statement: String,
        asking: &Asking,
    ) -> Result<Vec<Vec<Option<String>>>, QueryError> {
        let (id, _) = self.run(feed, what, vec![statement], asking).await?;
        Ok(self.statements.rows(&id).await?)
    }

    /// Runs statements to their end, or takes up those that run already. To run them twice would change nothing more,
    /// but side by side they cost twice and wait for each other.
    pub(crate) async fn run(
        &self,
        feed: RedshiftFeed<'_>,
        what: &str,
        statements: Vec<String>,
        asking: &Asking,
    ) -> Result<(StatementId, Description), QueryError> {
        let copies = statements.first().is_some_and(|statement| sql::is_copy(statement));
        let noted = asking.noted.as_ref().filter(|(noted, _)| noted == what).map(|(_, statement)| statement.clone());
        let mut known = match noted {
            Some(id) => self.statements.describe(&id, asking.wait).await?.map(|description| (id, description)),
            None => None,
        };
        if known.is_none() {
            // It was never asked, or the Data API has forgotten it.
            let token = asking.token.as_deref().map(|token| hash::hex(&hash::of_parts([token, what])[..32]));
            let name = format!("sluice {} {what}", feed.name);
            let submission = Submission { statements, token, name, with_event: false };
            let id = self.statements.submit(feed.target, &submission).await?;
            known = self.statements.describe(&id, asking.wait).await?.map(|description| (id, description));
        }
        let unknown = || {
            let call = Service::Warehouse.call("redshift-data:DescribeStatement");
            PortError::new(call, what, PortErrorKind::Missing, "no such statement")
        };
        let (statement, description) = known.ok_or_else(unknown)?;
        match description.status {
            Status::Finished => Ok((statement, description)),
            Status::Running => Err(QueryError::Slow { what: what.to_owned(), statement }),
            Status::Failed | Status::Aborted => {
                let failure = failure::of_statement(copies, &description);
                Err(QueryError::Failed { statement, failure: failure::naming_its_object(feed, failure) })
            }
        }
    }
}
