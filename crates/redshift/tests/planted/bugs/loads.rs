//! Bugs of transactions, the ledger, versions, archive and quarantine.

use super::{Bug, bug, edit, of_class};

pub(super) const BUGS: &[Bug] = &[
    bug(
        "LOCK comes after the guard, and nothing fences",
        &[
            edit(
                "redshift/sql.rs",
                "        format!(\"LOCK TABLE {}\", table(&target.ledger)),\n        format!(\"UPDATE {} SET loads = loads + 1\", table(&target.fence())),\n        guard(feed, load.files),\n",
                "        guard(feed, load.files),\n        format!(\"LOCK TABLE {}\", table(&target.ledger)),\n        \"SET query_group TO x\".to_owned(),\n",
            ),
            edit("redshift/sql.rs", "Roles { lock: 2, guard: 4, copy", "Roles { lock: 3, guard: 2, copy"),
            edit("redshift/failure.rs", "(Means::NoRelation, Of::Lock)", "(Means::NoRelation, Of::Lock | Of::Guard)"),
        ],
    ),
    Bug {
        name: "LOCK comes after the guard",
        edits: &[
            edit(
                "redshift/sql.rs",
                "        format!(\"LOCK TABLE {}\", table(&target.ledger)),\n        format!(\"UPDATE {} SET loads = loads + 1\", table(&target.fence())),\n        guard(feed, load.files),\n",
                "        guard(feed, load.files),\n        format!(\"LOCK TABLE {}\", table(&target.ledger)),\n        format!(\"UPDATE {} SET loads = loads + 1\", table(&target.fence())),\n",
            ),
            edit("redshift/sql.rs", "Roles { lock: 2, guard: 4, copy", "Roles { lock: 3, guard: 2, copy"),
            edit("redshift/failure.rs", "(Means::NoRelation, Of::Lock)", "(Means::NoRelation, Of::Lock | Of::Guard)"),
        ],
        class: None,
        hidden: Some("the fence is for just that: a snapshot that was taken before the lock is a conflict"),
    },
    bug(
        "the guard passes whatever the ledger has",
        &[edit("redshift/sql.rs", "> 0 THEN 1 ELSE 0 END) \\", "> 0 THEN 1 ELSE 1 END) \\")],
    ),
    bug(
        "the ledger is not written",
        &[edit(
            "redshift/sql.rs",
            "statements.extend(record(feed, load.batch, load.files));",
            "record(feed, load.batch, load.files);",
        )],
    ),
    of_class(
        "changes",
        "a statement's place is that of today's configuration",
        &[edit(
            "redshift/destination.rs",
            "begun.roles.unwrap_or(sql::first_roles(feed.target))",
            "begun.roles.map_or(sql::roles(feed.target), |_| sql::roles(feed.target))",
        )],
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
    of_class(
        "move",
        "one file that cannot be archived keeps all of its batch",
        &[edit(
            "archive.rs",
            "    delete(objects, &mut archived).await;\n    archived\n",
            "    if let Some(error) = archived.unmoved.first().map(|one| one.error.same()) {\n        let copied = std::mem::take(&mut archived.moved);\n        let keeps = |(file, _)| Unmoved { file, copied: None, error: error.same() };\n        archived.unmoved.extend(copied.into_iter().map(keeps));\n    }\n    delete(objects, &mut archived).await;\n    archived\n",
        )],
    ),
    of_class(
        "move",
        "one file that cannot be set aside keeps all of its batch",
        &[edit(
            "quarantine.rs",
            "    archive::delete(objects, &mut archived).await;",
            "    if let Some(error) = archived.unmoved.first().map(|one| one.error.same()) {\n        let copied = std::mem::take(&mut archived.moved);\n        let keeps = |(file, _)| Unmoved { file, copied: None, error: error.same() };\n        archived.unmoved.extend(copied.into_iter().map(keeps));\n    }\n    archive::delete(objects, &mut archived).await;",
        )],
    ),
    of_class(
        "move",
        "one delete that is refused counts for all",
        &[edit(
            "archive.rs",
            "for ((file, key), deleted) in chunk",
            "let first = deleted.iter().find_map(|one| one.as_ref().err().map(PortError::same));\n        let deleted = deleted.into_iter().map(|one| first.as_ref().map_or(one, |error| Err(error.same())));\n        for ((file, key), deleted) in chunk",
        )],
    ),
    of_class(
        "move",
        "a file that cannot be archived is loaded again",
        &[edit("load/moves.rs", "Doubt { file, stage, copied: copied.or", "Doubt { file, copied: copied.or")],
    ),
    of_class(
        "move",
        "what only cannot be deleted is copied again",
        &[
            edit(
                "load/moves.rs",
                "doubt.stage == Stage::Archive && doubt.copied.is_none()",
                "doubt.stage == Stage::Archive",
            ),
            edit(
                "load/moves.rs",
                "if let Some(copied) = &doubt.copied {",
                "if let Some(copied) = doubt.copied.as_ref().filter(|_| false) {",
            ),
        ],
    ),
    of_class(
        "move",
        "what was read in place of a file that cannot be moved is not asked",
        &[edit("load/versions.rs", ".chain(&doubtful).cloned()", ".chain(doubtful.iter().take(0)).cloned()")],
    ),
    of_class(
        "move",
        "a version that may not be looked at holds up its claim",
        &[edit(
            "load/versions.rs",
            "if Pace::from(error.kind) == Pace::Configuration => None",
            "if Pace::from(error.kind) == Pace::Configuration && false => None",
        )],
    ),
    bug(
        "archive before the commit",
        &[edit(
            "redshift/destination.rs",
            "Status::Running => Progress::Running,",
            "Status::Running => Progress::Loaded(loaded(roles(feed, begun), &description)),",
        )],
    ),
    bug(
        "the claim is deleted before the archive",
        &[edit(
            "load.rs",
            "let (read, unmoved) = self.archive(&files, &held, begun).await?;",
            "held.clone().finish(self.ports.objects()).await?;\n        let (read, unmoved) = self.archive(&files, &held, begun).await?;",
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
    bug(
        "the ledger never learns which version was read",
        &[edit("load/versions.rs", "self.ports.destination().amend(self.feed, &pairs, &asking).await?;", "")],
    ),
    bug(
        "the ledger changes before the claim knows why",
        &[edit(
            "load.rs",
            "            return self.save(held).await;\n        }\n        if loaded.is_some() {",
            "            return self.settle(held, begun).await;\n        }\n        if loaded.is_some() {",
        )],
    ),
    bug(
        "a file that is gone is not asked about",
        &[edit("load/versions.rs", "archived.gone.into_iter().map(", "archived.gone.into_iter().take(0).map(")],
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
    bug(
        "a file that is sent again under another ETag is not compared",
        &[edit("load/sent_again.rs", "self.named(perhaps_known, &mut", "self.named(&perhaps_known[..0], &mut")],
    ),
    bug(
        "a file of the same size counts as sent again",
        &[edit("load/sent_again.rs", "part.bytes != same.bytes", "same.bytes.is_empty()")],
    ),
    bug(
        "the copy of a file that is sent again is looked for under its name alone",
        &[edit("load/sent_again.rs", "names.iter().take(2).rev()", "names.iter().take(1)")],
    ),
    bug(
        "what is packed otherwise than its name says is loaded as that says",
        &[edit("inspect.rs", "self.packed.insert(file.id(), compression);", "let _ = compression;")],
    ),
    bug(
        "files that are packed differently go into one COPY",
        &[edit(
            "claim/inspected.rs",
            "Some(self.packing_of(file)) == kind",
            "kind.is_some() || self.packing_of(file).is_some()",
        )],
    ),
    bug(
        "an error of any statement speaks of contents",
        &[
            edit("redshift/failure.rs", "(Means::Contents, Of::Copy) =>", "(Means::Contents, _) =>"),
            edit("load/failed.rs", "if bad.is_empty() {", "if bad.is_empty() && held.claim.files.len() > 1 {"),
        ],
    ),
    Bug {
        name: "nobody sees that a transaction has outlived the function that began it",
        edits: &[edit("claim/give_way.rs", "self.left_alone || self", "self")],
        class: None,
        hidden: Some("one history in a million shows it; doubtful.rs has a test of its own"),
    },
];
