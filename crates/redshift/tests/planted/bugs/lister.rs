//! Bugs of listing, planning and dispatch, and of questions to the warehouse.

use super::{Bug, edit, of_class};

pub(super) const BUGS: &[Bug] = &[
    of_class(
        "listing",
        "a listing never stops in time",
        &[edit(
            "list.rs",
            "if round || self.clock.now() >= self.until {",
            "if round || self.clock.now() >= Timestamp::MAX {",
        )],
    ),
    of_class(
        "listing",
        "a listing begins its second round without a look at the time",
        &[edit(
            "list.rs",
            "if round || self.clock.now() >= self.until {",
            "if round || (self.clock.now() >= self.until && after.is_some()) {",
        )],
    ),
    of_class(
        "flood",
        "the batches go by their size",
        &[edit(
            "plan.rs",
            "    let mut left = most;",
            "    batches.sort_by_key(|batch| std::cmp::Reverse(batch.files.len()));\n    let mut left = most;",
        )],
    ),
    of_class(
        "claim",
        "a claim that cannot be fetched ends the tick of all",
        &[edit(
            "tick.rs",
            "let survey = survey(config, ports, run).await?;",
            "let survey = survey(config, ports, run).await?.whole()?;",
        )],
    ),
    of_class(
        "look",
        "a question is asked again and not taken up",
        &[
            edit(
                "redshift/query.rs",
                "asking.noted.as_ref().filter(|(noted, _)| noted == what)",
                "asking.noted.as_ref().filter(|(noted, _)| noted == what && noted.is_empty())",
            ),
            edit(
                "redshift/query.rs",
                "let token = asking.token.as_deref().map(",
                "let token = asking.token.as_deref().filter(|_| false).map(",
            ),
        ],
    ),
    of_class(
        "look",
        "a question that failed is taken up again",
        &[edit(
            "load/trouble.rs",
            "            held.claim.asked = held.claim.asked.saturating_add(1);\n            held.claim.question = None;\n",
            "",
        )],
    ),
    of_class(
        "look",
        "a look that never ends is never given up",
        &[edit(
            "load/failed.rs",
            "claim.blind |= claim.asked >= LOOKS || waited >= LOOKS;",
            "claim.blind |= waited > u32::MAX - LOOKS;",
        )],
    ),
    Bug {
        name: "the plan takes a key twice",
        edits: &[edit("plan.rs", "files.dedup_by(|b, a| a.key == b.key);", "")],
        class: None,
        hidden: Some("no list and no event names a key twice by then; this is a second line of defence"),
    },
];
