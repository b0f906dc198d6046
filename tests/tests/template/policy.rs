//! What IAM makes of policies, as far as the template's policies go: statements with actions and resources in which `*`
//! stands for anything, and the condition operators that are used. Fails on what it does not know.
//!
//! Source for absent condition keys: IAM User Guide, "IAM JSON policy elements: Condition operators".

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A right that somebody needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Need {
    pub(crate) action: String,
    pub(crate) resource: String,
    /// Condition keys and their values in the request.
    pub(crate) context: BTreeMap<&'static str, String>,
}

impl Need {
    pub(crate) fn new(action: &str, resource: impl Into<String>) -> Self {
        Self { action: action.to_owned(), resource: resource.into(), context: BTreeMap::new() }
    }

    pub(crate) fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.context.insert(key, value.into());
        self
    }
}

/// A statement of a policy.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) sid: String,
    allows: bool,
    pub(crate) actions: BTreeSet<String>,
    pub(crate) resources: BTreeSet<String>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
struct Condition {
    operator: String,
    key: String,
    values: BTreeSet<String>,
}

/// The statements of a role, resolved. Each of them allows something.
pub(crate) fn statements(role: &Value) -> Vec<Statement> {
    let policies = role["Policies"].as_array().unwrap().iter();
    let statements: Vec<_> = policies.flat_map(of_policy).collect();
    assert!(statements.iter().all(|one| one.allows), "{statements:?}");
    statements
}

/// The statements of a policy of its own, resolved.
pub(crate) fn of_policy(policy: &Value) -> Vec<Statement> {
    policy["PolicyDocument"]["Statement"].as_array().unwrap().iter().map(Statement::read).collect()
}

/// Whether the statements let somebody do it, if no other policy forbids it.
pub(crate) fn allowed(statements: &[Statement], need: &Need) -> bool {
    statements.iter().any(|one| one.grants(need).is_some()) && !denied(statements, need)
}

/// Whether the statements forbid it, whatever other policies allow.
pub(crate) fn denied(statements: &[Statement], need: &Need) -> bool {
    statements.iter().any(|one| !one.allows && one.speaks_of(need).is_some())
}

impl Statement {
    fn read(statement: &Value) -> Self {
        let known = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"];
        let fields = statement.as_object().unwrap();
        assert!(fields.keys().all(|field| known.contains(&field.as_str())), "{statement}");
        let conditions = fields.get("Condition").and_then(Value::as_object).into_iter().flatten();
        let conditions = conditions.flat_map(|(operator, keys)| {
            keys.as_object().unwrap().iter().map(|(key, values)| Condition {
                operator: operator.clone(),
                key: key.clone(),
                values: texts(values),
            })
        });
        Self {
            sid: statement["Sid"].as_str().expect("every statement says what it is for").to_owned(),
            allows: match statement["Effect"].as_str() {
                Some("Allow") => true,
                Some("Deny") => false,
                other => panic!("{other:?} in {statement}"),
            },
            actions: texts(&statement["Action"]),
            resources: texts(&statement["Resource"]),
            conditions: conditions.collect(),
        }
    }

    /// The resource pattern by which this statement grants the need.
    pub(crate) fn grants(&self, need: &Need) -> Option<&str> {
        self.allows.then(|| self.speaks_of(need))?
    }

    /// The resource pattern by which this statement is about the need.
    fn speaks_of(&self, need: &Need) -> Option<&str> {
        let named = self.actions.iter().any(|action| like(action, &need.action));
        let right = named && self.conditions.iter().all(|condition| condition.holds(need));
        let fits = |pattern: &&String| like(pattern, &need.resource);
        right.then(|| self.resources.iter().find(fits).map(String::as_str))?
    }
}

impl Condition {
    fn holds(&self, need: &Need) -> bool {
        let found = need.context.get(self.key.as_str());
        if self.operator == "Null" {
            return self.values.contains(if found.is_none() { "true" } else { "false" });
        }
        let operator = self.operator.trim_end_matches("IfExists");
        let Some(found) = found else {
            // "Not equal" holds for a key that is not there, with IfExists and without.
            return operator != self.operator || operator == "StringNotEquals";
        };
        match operator {
            "StringEquals" | "Bool" => self.values.contains(found),
            "StringNotEquals" => !self.values.contains(found),
            "StringLike" => self.values.iter().any(|pattern| like(pattern, found)),
            other => panic!("the test does not know the condition {other}"),
        }
    }
}

/// Which needs no statement grants.
pub(crate) fn missing(statements: &[Statement], needs: &BTreeSet<Need>) -> Vec<Need> {
    needs.iter().filter(|need| !statements.iter().any(|one| one.grants(need).is_some())).cloned().collect()
}

/// Which actions and which resources of the statements no need asks for, as `Sid: action or resource`.
pub(crate) fn unused(statements: &[Statement], needs: &BTreeSet<Need>) -> Vec<String> {
    let mut unused = Vec::new();
    for statement in statements {
        let granted: Vec<_> = needs.iter().filter_map(|need| Some((need, statement.grants(need)?))).collect();
        let actions =
            statement.actions.iter().filter(|action| !granted.iter().any(|(need, _)| need.action == **action));
        let resources = statement.resources.iter().filter(|one| !granted.iter().any(|(_, used)| used == one));
        unused.extend(actions.chain(resources).map(|what| format!("{}: {what}", statement.sid)));
    }
    unused
}

/// `*` stands for any characters, as in ARNs and in `StringLike`.
fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|after| {
            let mut from = after.char_indices().map(|(at, _)| at).chain([after.len()]);
            from.any(|at| like(rest, &after[at..]))
        }),
    }
}

/// One text or a list of them.
fn texts(value: &Value) -> BTreeSet<String> {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned();
    value.as_array().map_or_else(|| BTreeSet::from([text(value)]), |values| values.iter().map(text).collect())
}
