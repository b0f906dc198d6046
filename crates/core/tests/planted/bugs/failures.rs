//! Bugs of narrowing, probing and resting, and of the evidence for it.

use super::{Bug, bug, edit, of_class};

pub(super) const BUGS: &[Bug] = &[
    of_class(
        "copy",
        "a probe takes the same file again",
        &[edit(
            "load/trouble.rs",
            "held.claim.doubted.push(doubt);\n            held.claim.next_probe();",
            "held.claim.try_doubt(doubt);",
        )],
    ),
    of_class(
        "copy",
        "a file rests once its claim has dropped it",
        &[edit(
            "load/trouble.rs",
            "match self.let_rest(&doubt).await {\n            Ok(()) => self.done_or_end(held, doubt.next_try, trouble.reason.clone()).await,\n            Err(error) => {",
            "let next = self.done_or_end(held, doubt.next_try, trouble.reason.clone()).await;\n        match self.let_rest(&doubt).await {\n            Ok(()) => next,\n            Err(error) => {",
        )],
    ),
    of_class(
        "copy",
        "a resting file's object is never written",
        &[edit(
            "load/trouble.rs",
            "resting::write(self.ports.objects(), &self.config.bucket, self.feed, doubt).await",
            "Ok(())",
        )],
    ),
    of_class(
        "copy",
        "a resting file that fails again rests no more",
        &[edit("load/trouble.rs", "held.claim.rested = None;\n        match", "match")],
    ),
    of_class(
        "copy",
        "a resting file is planned with others",
        &[edit(
            "list.rs",
            "held.contains(&file.key) || (!resting.is_empty() && resting.contains(&file.id()))",
            "held.contains(&file.key) || (resting.contains(&file.id()) && false)",
        )],
    ),
    of_class(
        "copy",
        "a resting file is planned and loaded with others",
        &[
            edit(
                "list.rs",
                "held.contains(&file.key) || (!resting.is_empty() && resting.contains(&file.id()))",
                "held.contains(&file.key) || (resting.contains(&file.id()) && false)",
            ),
            edit(
                "claim/give_way.rs",
                "!theirs.contains(&file.key) && !self.resting.contains(&file.id())",
                "!theirs.contains(&file.key)",
            ),
        ],
    ),
    of_class(
        "copy",
        "two resting files are tried at once",
        &[
            edit(
                "tick/feed.rs",
                "let busy = unproven || own.iter().any(|claim| claim.rested.is_some());",
                "let busy = unproven;",
            ),
            edit(
                "tick/feed.rs",
                "if self.survey.resting.iter().any(|resting| held.contains(&resting.id)) {",
                "if held.len() == usize::MAX {",
            ),
        ],
    ),
    of_class(
        "copy",
        "a resting file is never tried again",
        &[edit(
            "tick/feed.rs",
            "Ok(Some((doubt, _))) if doubt.next_try <= self.now =>",
            "Ok(Some((doubt, _))) if doubt.next_try < Timestamp::MIN =>",
        )],
    ),
    of_class(
        "copy",
        "nothing ever rests",
        &[edit("load/trouble.rs", "if !(works || doubt.vouched) {", "if !(works && doubt.vouched && false) {")],
    ),
    of_class(
        "down",
        "a file rests without evidence that the feed works",
        &[edit("load/trouble.rs", "if !(works || doubt.vouched) {", "if !(works || doubt.vouched || true) {")],
    ),
    bug(
        "a success of the past is evidence",
        &[edit("health.rs", "at > later(since, CLOCK_SKEW)", "at > later(since, CLOCK_SKEW) || at <= since")],
    ),
    bug(
        "evidence knows nothing of skewed clocks",
        &[edit("health.rs", "at > later(since, CLOCK_SKEW)", "at > later(since, CLOCK_SKEW - CLOCK_SKEW)")],
    ),
    bug(
        "a success says something of itself",
        &[edit("health.rs", "self.batch.as_ref() != Some(&claim.batch) && ", "claim.batch.as_str() != \"\" && ")],
    ),
    bug(
        "a success is as new as its archive",
        &[edit("load.rs", "self.feed, batch, loaded.at)", "self.feed, batch, self.ports.clock().now())")],
    ),
    of_class(
        "copy",
        "a success is never noted",
        &[edit("load.rs", "(loaded, held.claim.tells_success())", "(loaded, held.claim.tells_success() && false)")],
    ),
    of_class(
        "copy",
        "a success that was on its way is no evidence",
        &[edit(
            "load/trouble.rs",
            "for statement in &claim.beside {",
            "for statement in claim.beside.iter().take(0) {",
        )],
    ),
    of_class(
        "down",
        "a success vouches for ever",
        &[edit(
            "claim/parts.rs",
            "if self.vouched && self.streak > LONGEST_STREAK {",
            "if self.vouched && self.streak > LONGEST_STREAK && false {",
        )],
    ),
    of_class(
        "down",
        "a lost reply lets a file rest",
        &[edit("load/trouble.rs", "if unsure && !trouble.full {", "if unsure && !trouble.full && false {")],
    ),
    bug(
        "a transaction that may still run is given up",
        &[edit(
            "load/trouble.rs",
            "if held.claim.begun().is_some() && !trouble.ended {",
            "if held.claim.begun().is_some() && !trouble.ended && false {",
        )],
    ),
    of_class(
        "copy",
        "a refilled claim forgets the file that waits in it",
        &[edit(
            "claim/parts.rs",
            "        if let Some(doubt) = self.take_alone(&reason, now, SignedDuration::ZERO) {\n            self.doubted.push(doubt);\n        }",
            "        drop(self.take_alone(&reason, now, SignedDuration::ZERO));",
        )],
    ),
    of_class(
        "copy",
        "nothing is loaded in the slot of a file that waits",
        &[edit(
            "claim/parts.rs",
            "        self.is_lone()\n            && self.not_before.is_some()",
            "        self.is_lone()\n            && false\n            && self.not_before.is_some()",
        )],
    ),
    of_class(
        "down",
        "every claim of a feed is a probe",
        &[edit("tick/feed.rs", "} else if !health.is_probe(claim) || turn == Some(&seen.key) {", "} else {")],
    ),
    of_class(
        "down",
        "a probe goes as soon as there was another one",
        &[edit(
            "health.rs",
            "    later(latest, signed(pause))",
            "    later(latest, signed(pause).min(jiff::SignedDuration::ZERO))",
        )],
    ),
    of_class(
        "down",
        "probes do not wait for each other",
        &[edit(
            "health.rs",
            ".filter_map(|other| other.not_before).fold(now, Timestamp::max);",
            ".filter_map(|other| other.not_before).fold(now, |now, _| now);",
        )],
    ),
    of_class(
        "down",
        "a feed that is down is tried at the quick pace",
        &[edit(
            "load/trouble.rs",
            "return if works { self.again(held).await } else { self.wait(held).await };\n        }\n        self.alone",
            "return self.again(held).await;\n        }\n        self.alone",
        )],
    ),
    of_class(
        "down",
        "a feed that is down is given new files",
        &[edit("claim/slots.rs", "if health.down(&own).is_some() {", "if health.down(&own).is_some() && false {")],
    ),
    of_class(
        "down",
        "nobody wakes what waits when the feed works again",
        &[edit(
            "health.rs",
            "        claim.not_before.is_some()\n            && claim.rested",
            "        false\n            && claim.rested",
        )],
    ),
    of_class(
        "copy",
        "the file that an error names is not singled out",
        &[edit(
            "load/trouble.rs",
            "if let Some(file) = &trouble.file\n            && held",
            "if let Some(file) = &trouble.file\n            && file.as_str().is_empty()\n            && held",
        )],
    ),
    bug(
        "another attempt has no transaction of its own",
        &[edit(
            "load/trouble.rs",
            "            if trouble.ended {\n                held.claim.try_again();\n            }",
            "",
        )],
    ),
];
