//! Bugs of claims, leases, slots, and X.

use super::{Bug, bug, edit, of_class};

pub(super) const BUGS: &[Bug] = &[
    bug(
        "a claim is written without If-None-Match",
        &[edit("claim/slots.rs", "&claim, PutIf::Absent)", "&claim, PutIf::Any)")],
    ),
    bug(
        "a lease is taken without If-Match",
        &[edit(
            "claim/lease.rs",
            "key, &claim, PutIf::Matches(&seen.etag)).await?;\n    Ok(written.map_or",
            "key, &claim, PutIf::Any).await?;\n    Ok(written.map_or",
        )],
    ),
    bug(
        "a slot in which a file waits is filled without If-Match",
        &[edit("claim/slots.rs", "PutIf::Matches(&waiting.etag)", "PutIf::Any")],
    ),
    bug(
        "one slot too many",
        &[
            edit("claim/slots.rs", "(0..feed.slots()).filter", "(0..=feed.slots()).filter"),
            edit(
                "claim/slots.rs",
                "let mut files = feed.max_files.sat",
                "let mut files = (feed.max_files + feed.files_per_load).sat",
            ),
            edit(
                "claim/give_way.rs",
                "> feed.max_files && !instead {",
                "> feed.max_files + feed.files_per_load && !instead {",
            ),
        ],
    ),
    bug(
        "a slot that is filled counts as free",
        &[edit(
            "claim/slots.rs",
            "key.is_ok_and(|key| !filled.contains(&key))",
            "key.is_ok_and(|_| filled.len() < usize::MAX)",
        )],
    ),
    of_class(
        "changes",
        "X is counted in slots",
        &[
            edit(
                "claim/slots.rs",
                "let mut files = feed.max_files.saturating_sub(in_flight);",
                "let mut files = feed.max_files;",
            ),
            edit("claim/slots.rs", "let blocked = blocked(feed, &own);", "let blocked = blocked(feed, &[]);"),
            edit("claim/give_way.rs", "if in_flight > 0 && in_flight", "if in_flight > usize::MAX / 2 && in_flight"),
        ],
    ),
    Bug {
        name: "giving way forgets X",
        edits: &[edit(
            "claim/give_way.rs",
            "if in_flight > 0 && in_flight",
            "if in_flight > usize::MAX / 2 && in_flight",
        )],
        class: None,
        hidden: Some(
            "only two functions with two configurations that place claims at once need it: a listing counts all that it sees",
        ),
    },
    Bug {
        name: "the slots that a large claim blocks count as free",
        edits: &[edit("claim/slots.rs", "let blocked = blocked(feed, &own);", "let blocked = blocked(feed, &[]);")],
        class: None,
        hidden: Some("files are counted as well; this is a second line of defence"),
    },
    Bug {
        name: "the room of a claim that waits is given to an empty slot",
        edits: &[edit(
            "claim/slots.rs",
            "let mut files = feed.max_files.saturating_sub(in_flight);",
            "let room = waiting.and_then(|seen| seen.claim.as_ref().ok()).map_or(0, Claim::in_flight);\n        let mut files = (feed.max_files + room).saturating_sub(in_flight);",
        )],
        class: Some("changes"),
        hidden: Some("a claim that waits while X is lowered needs it: fewer than one history in 20,000 of its class"),
    },
    bug(
        "files whose turn comes later are not held",
        &[
            edit(
                "tick/feed.rs",
                ".flat_map(|claim| claim.all_files())\n                .map(|file| file.key.clone())",
                ".flat_map(|claim| &claim.files)\n                .map(|file| file.key.clone())",
            ),
            edit("claim/give_way.rs", "flat_map(Claim::all_files)", "flat_map(|claim| &claim.files)"),
        ],
    ),
    of_class(
        "copy",
        "files that are in doubt are not held",
        &[edit(
            "claim/parts.rs",
            "self.files.iter().chain(&self.later).chain(self.doubted.iter().map(|doubt| &doubt.file))",
            "self.files.iter().chain(&self.later)",
        )],
    ),
    bug(
        "a lease is ignored",
        &[edit("claim/lease.rs", "if claim.lease_expires_at > now && !claim.owner", "if false && !claim.owner")],
    ),
    bug(
        "a lease ends before its function",
        &[edit("run.rs", "later(self.deadline, CLOCK_SKEW)", "later(self.started, CLOCK_SKEW)")],
    ),
    bug(
        "a lease knows nothing of skewed clocks",
        &[edit("run.rs", "later(self.deadline, CLOCK_SKEW)", "self.deadline")],
    ),
    bug("nobody comes back to a claim", &[edit("claim.rs", "self.lease_expires_at <= now && self", "false && self")]),
    bug(
        "the token knows nothing of the attempt",
        &[edit("claim.rs", "hash::hex(&hash[..20]), self.attempt)", "hash::hex(&hash[..20]), 0)")],
    ),
    bug(
        "the token knows nothing of the claim's age",
        &[edit("claim.rs", "self.batch.as_str(), &created_at]", "self.batch.as_str(), \"\"]")],
    ),
    bug("the statement's id is not recorded", &[edit("load.rs", "held.claim.began(started.begun());", "")]),
    bug(
        "nobody gives way",
        &[edit(
            "claim/give_way.rs",
            "let theirs: HashSet<&Key> = self.readable().flat_map(",
            "let theirs: HashSet<&Key> = self.readable().take(0).flat_map(",
        )],
    ),
    bug(
        "a claim gives way to newer ones only",
        &[
            edit(
                "claim/give_way.rs",
                "(other.created_at, other.slot) < (claim.created_at, claim.slot);",
                "(other.created_at, other.slot) > (claim.created_at, claim.slot);",
            ),
            edit(
                "claim/give_way.rs",
                "self.readable().flat_map(Claim::all_files)",
                "self.readable().filter(older).flat_map(Claim::all_files)",
            ),
        ],
    ),
    bug(
        "a claim gives way to a resting file of its own",
        &[edit(
            "claim/give_way.rs",
            "&& claim.rested.as_ref() != Some(file);",
            "&& claim.rested.as_ref() != Some(file) || claim.rested.is_some();",
        )],
    ),
    bug(
        "nobody looks for others once the lister died",
        &[edit("load.rs", "if held.claim.unchecked {", "if held.claim.unchecked && held.claim.attempt > 1000 {")],
    ),
];
