//! Bugs of narrowing, probing and resting, and of the evidence for it.

use super::{Bug, bug, edit, of_class};

pub(super) const BUGS: &[Bug] = &[
    Bug {
        name: "an older success takes a newer one's place",
        edits: &[edit(
            "health.rs",
            "known.succeeded_at >= self.succeeded_at",
            "known.succeeded_at >= self.succeeded_at && false",
        )],
        class: None,
        hidden: Some("one history in 860,000 shows it; health.rs has a test of its own"),
    },
    Bug {
        name: "a version that was written back is set aside for what another one was refused for",
        edits: &[edit(
            "quarantine.rs",
            "there.etag == file.etag && since(&there) == 0",
            "there.etag == file.etag && since(&there) < i64::MAX",
        )],
        class: None,
        hidden: Some("one history in 400,000 shows it; doubtful.rs has a test of its own"),
    },
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
        "a resting file is planned and loaded with others",
        &[
            edit(
                "list.rs",
                "held.contains(&file.key) || (!resting.is_empty() && resting.contains(&file.id()))",
                "held.contains(&file.key) || (resting.contains(&file.id()) && false)",
            ),
            edit(
                "claim/give_way.rs",
                "!theirs.contains(&file.key) && !rests(file)",
                "!theirs.contains(&file.key) && (!rests(file) || true)",
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
        &[edit("health.rs", "is_some_and(|at| at > since)", "is_some_and(|at| at > since || at <= since)")],
    ),
    bug(
        "evidence knows nothing of skewed clocks",
        &[edit(
            "load/trouble.rs",
            "self.at.unwrap_or_else(|| later(now, CLOCK_SKEW))",
            "later(now, CLOCK_SKEW - CLOCK_SKEW)",
        )],
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
        "down",
        "a lost reply lets a file rest",
        &[edit(
            "load/trouble.rs",
            "if unsure && trouble.what != What::Full {",
            "if unsure && trouble.what != What::Full && false {",
        )],
    ),
    bug(
        "a transaction that may still run is given up",
        &[edit(
            "load/trouble.rs",
            "if held.claim.begun().is_some() && trouble.what != What::Ended {",
            "if held.claim.begun().is_some() && trouble.what != What::Ended && false {",
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
        "a probe goes as soon as there was another one",
        &[edit(
            "health.rs",
            "    later(latest, signed(pause))",
            "    later(latest, signed(pause).min(jiff::SignedDuration::ZERO))",
        )],
    ),
    of_class(
        "copy",
        "the file that an error names is forgotten",
        &[edit(
            "claim/parts.rs",
            "        self.doubted.push(self.doubt(file, reason, since));\n",
            "        drop(self.doubt(file, reason, since));\n",
        )],
    ),
    of_class(
        "down",
        "a file that fails alone is forgotten by its claim",
        &[edit(
            "load/trouble.rs",
            "held.claim.doubted.push(doubt);\n            held.claim.next_probe();",
            "held.claim.next_probe();",
        )],
    ),
    of_class(
        "copy",
        "files in doubt are let go with the claim",
        &[edit(
            "claim/parts.rs",
            "} else if !self.try_next_doubt() {\n            return Going::Done;",
            "} else {\n            return Going::Done;",
        )],
    ),
    of_class(
        "down",
        "a claim that failed vouches for itself",
        &[edit(
            "claim/parts.rs",
            "        self.streak = self.streak.saturating_add(1);\n",
            "        (self.vouched, self.streak) = (true, self.streak.saturating_add(1));\n",
        )],
    ),
    of_class(
        "move",
        "a file that cannot be moved does not rest",
        &[edit(
            "load/moves.rs",
            "if works || known.vouched || rested {",
            "if (works || known.vouched || rested) && known.failures > 1000 {",
        )],
    ),
    of_class(
        "copy",
        "a file that was loaded after all rests on",
        &[edit(
            "load.rs",
            "if let Some(file) = held.claim.rested.take() {",
            "if let Some(file) = held.claim.rested.take().filter(|_| false) {",
        )],
    ),
    bug(
        "a question that failed is asked with the same token",
        &[edit(
            "load/trouble.rs",
            "held.claim.asked = held.claim.asked.saturating_add(1);",
            "held.claim.asked = held.claim.asked.saturating_add(0);",
        )],
    ),
    of_class(
        "down",
        "a success is noted before it is one",
        &[edit(
            "load.rs",
            "                Started::Detached(_) => self.save(held).await,",
            "                Started::Detached(_) => {\n                    let (objects, now) = (self.ports.objects(), self.ports.clock().now());\n                    Health::succeeded(objects, &self.config.bucket, self.feed, &held.claim.batch, now).await;\n                    self.save(held).await\n                }",
        )],
    ),
    of_class(
        "copy",
        "a resting file takes a slot before others",
        &[edit(
            "tick/feed.rs",
            "self.survey.resting.iter().all(|resting| later(resting.written, PATIENCE) <= self.now)",
            "self.survey.resting.len() < usize::MAX",
        )],
    ),
];
