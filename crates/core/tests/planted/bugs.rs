//! The bugs: each a change of a line or two of the real source, found by its text.

/// A change of the source.
pub(crate) struct Bug {
    pub(crate) name: &'static str,
    pub(crate) edits: &'static [Edit],
    /// Why no history can show it; `None`: one must.
    pub(crate) hidden: Option<&'static str>,
}

/// One place in one file below `src`, which must be there exactly once.
pub(crate) struct Edit {
    pub(crate) file: &'static str,
    pub(crate) find: &'static str,
    pub(crate) put: &'static str,
}

const fn edit(file: &'static str, find: &'static str, put: &'static str) -> Edit {
    Edit { file, find, put }
}

const fn bug(name: &'static str, edits: &'static [Edit]) -> Bug {
    Bug { name, edits, hidden: None }
}

/// All of them.
pub(crate) const BUGS: &[Bug] = &[
    bug(
        "LOCK comes after the guard",
        &[
            edit(
                "redshift/sql.rs",
                "        format!(\"LOCK TABLE {}\", table(&target.ledger)),\n        guard(target, files),\n",
                "        guard(target, files),\n        format!(\"LOCK TABLE {}\", table(&target.ledger)),\n",
            ),
            edit("redshift.rs", "lock: 1, guard: 2, copy", "lock: 2, guard: 1, copy"),
            edit("redshift/failure.rs", "Some(part) if part == transaction.lock && is_miss", "Some(_) if is_miss"),
        ],
    ),
    bug("the guard passes whatever the ledger has", &[edit("redshift/sql.rs", "ELSE 0 END)", "ELSE 1 END)")]),
    bug(
        "the ledger is not written",
        &[edit("redshift/sql.rs", "statements.extend(record(target, batch, files));", "record(target, batch, files);")],
    ),
    bug(
        "delete without the ETag",
        &[edit("archive.rs", "(file.key.clone(), file.etag.clone())", "(file.key.clone(), ETag::new(\"*\"))")],
    ),
    bug(
        "copy without a condition on the source",
        &[edit(
            "archive.rs",
            "objects.copy(file, &key)",
            "objects.copy(&File { etag: ETag::new(\"*\"), ..file.clone() }, &key)",
        )],
    ),
    bug(
        "another file under the name is taken for ours",
        &[edit("archive.rs", " if other.etag == file.etag && other.size == file.size => {", " if other.size > 0 => {")],
    ),
    bug(
        "a claim is written without If-None-Match",
        &[edit("claim/slots.rs", "&claim, PutIf::Absent)", "&claim, PutIf::Any)")],
    ),
    bug(
        "a lease is taken without If-Match",
        &[edit("claim.rs", "key, &claim, PutIf::Matches(&seen.etag))", "key, &claim, PutIf::Any)")],
    ),
    bug("one slot too many", &[edit("claim/slots.rs", "(0..feed.slots()).filter", "(0..=feed.slots()).filter")]),
    bug(
        "a slot in which files only rest does not count as free",
        &[edit("claim/slots.rs", "claim.only_rests() && claim.owner", "false && claim.owner")],
    ),
    bug(
        "a slot that is filled counts as free",
        &[edit("claim/slots.rs", ".ok()?) {\n        None", ".ok()?).filter(|_| false) {\n        None")],
    ),
    bug(
        "a slot in which files rest is filled without If-Match",
        &[edit("claim/slots.rs", "PutIf::Matches(etag)", "PutIf::Any")],
    ),
    bug(
        "a slot is filled in which files are being loaded",
        &[edit("claim/slots.rs", "claim.only_rests() && claim.owner", "claim.owner")],
    ),
    bug(
        "files whose turn comes later are not held",
        &[edit(
            "tick.rs",
            "own.iter().flat_map(|claim| claim.all_files()).map(|file| file.key.clone())",
            "own.iter().flat_map(|claim| &claim.files).map(|file| file.key.clone())",
        )],
    ),
    bug(
        "a lease is ignored",
        &[edit("claim.rs", "if claim.lease_expires_at > now && !claim.owner", "if false && !claim.owner")],
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
    bug(
        "the statement's id is not recorded",
        &[edit("copy.rs", "held.claim.statement_id = Some(statement.clone());", "")],
    ),
    bug(
        "archive before the commit",
        &[edit(
            "redshift.rs",
            "Status::Running => Progress::Running,",
            "Status::Running => Progress::Loaded(loaded(&shape(feed), &description)),",
        )],
    ),
    bug(
        "the claim is deleted before the archive",
        &[edit(
            "load.rs",
            "held.claim.read = self.archive(&files, statement).await?;",
            "held.clone().finish(self.ports.objects()).await?;\n\
             held.claim.read = self.archive(&files, statement).await?;",
        )],
    ),
    bug(
        "a file is in the manifest twice",
        &[edit("redshift/manifest.rs", "files.iter().map(entry)", "files.iter().chain(files.first()).map(entry)")],
    ),
    bug(
        "an entry is not mandatory",
        &[edit("redshift/manifest.rs", "mandatory: true, meta", "mandatory: false, meta")],
    ),
    bug("nobody gives way", &[edit("load.rs", "if held.claim.unchecked {", "if false {")]),
    bug(
        "the ledger never learns which version was read",
        &[edit("load.rs", "self.ports.destination().amend(self.feed, &pairs).await?;", "")],
    ),
    bug(
        "the ledger changes before the claim knows why",
        &[edit(
            "load.rs",
            "            held.save(self.ports.objects()).await?;\n            self.settle(held, statement).await?\n",
            "            self.settle(held, statement).await?\n",
        )],
    ),
    bug(
        "a file that is gone is not asked about",
        &[edit("load/versions.rs", "archived.gone.into_iter()", "archived.gone.into_iter().take(0)")],
    ),
    bug(
        "what passes by itself quarantines",
        &[edit(
            "disposition.rs",
            "FailureKind::Transient => Self::Retry(Pace::Transient),",
            "FailureKind::Transient => Self::Quarantine,",
        )],
    ),
    bug("a reason overwrites", &[edit("quarantine.rs", "body.clone(), PutIf::Absent)", "body.clone(), PutIf::Any)")]),
    Bug {
        name: "the plan takes a key twice",
        edits: &[edit("plan.rs", "files.dedup_by(|b, a| a.key == b.key);", "")],
        hidden: Some("no list and no event names a key twice by then; this is a second line of defence"),
    },
];
