//! A question to the warehouse: asked once, waited for, and taken up again where it was asked before.
//!
//! Never asks the same thing twice side by side, and never sorts an error by itself: [`failure`] does.

use sluice_core::destination::{Asking, Failure, FailureKind, QueryError, StatementId};
use sluice_core::hash;
use sluice_core::ports::{Objects, PortError, PortErrorKind, Service};

use crate::config::RedshiftFeed;
use crate::{Description, RedshiftDestination, Statements, Status, Submission, failure, sql};

impl<S: Statements, O: Objects> RedshiftDestination<S, O> {
    /// Runs a question and answers its rows.
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

    /// Runs statements to their end, or takes up those that run already. They are such that doing them twice changes
    /// nothing more; but side by side they cost twice, and wait for each other.
    pub(crate) async fn run(
        &self,
        feed: RedshiftFeed<'_>,
        what: &str,
        statements: Vec<String>,
        asking: &Asking,
    ) -> Result<(StatementId, Description), QueryError> {
        let copies = statements.first().is_some_and(|statement| sql::is_copy(statement));
        let noted = asking.noted.as_ref().filter(|(noted, _)| noted == what).map(|(_, statement)| statement.clone());
        let mut stands = match &noted {
            Some(id) => self.statements.describe(id, asking.wait).await?.map(|description| (id.clone(), description)),
            None => None,
        };
        if stands.is_none() {
            // Never asked, or so long ago that nobody remembers.
            let token = asking.token.as_deref().map(|token| hash::hex(&hash::of_parts([token, what])[..32]));
            let name = format!("sluice {} {what}", feed.name);
            let submission = Submission { statements, token, name, with_event: false };
            let id = self.statements.submit(feed.target, &submission).await?;
            stands = self.statements.describe(&id, asking.wait).await?.map(|description| (id, description));
        }
        let unknown = || {
            PortError::new(
                Service::Warehouse.call("redshift-data:DescribeStatement"),
                what,
                PortErrorKind::Missing,
                "no such statement",
            )
        };
        let (statement, description) = stands.ok_or_else(unknown)?;
        match description.status {
            Status::Finished => Ok((statement, description)),
            Status::Running => Err(QueryError::Slow { what: what.to_owned(), statement }),
            Status::Failed | Status::Aborted => {
                let failure = failure::of_statement(copies, &description);
                Err(QueryError::Failed { statement, failure: naming_its_object(feed, failure) })
            }
        }
    }
}

/// The same failure; where something was missing, with what the feed's options name, since the warehouse does not.
pub(crate) fn naming_its_object(feed: RedshiftFeed<'_>, failure: Failure) -> Failure {
    match feed.target.options.jsonpaths().filter(|_| failure.kind == FailureKind::ObjectMissing) {
        Some(object) => {
            Failure { message: format!("{} (the jsonpaths object is {object})", failure.message), ..failure }
        }
        None => failure,
    }
}
