//! Bad files that cannot be set aside: they rest, and all others are loaded.

use sluice_standin::faults::{Fault, Rule};
use test_case::test_case;

use crate::scene::{CULPRIT, FILES, Shape, Stage, World, name};

/// What is denied, for ever, about the bad file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Denied {
    Copy,
    Reason,
    Delete,
}

#[test_case(Shape::Slots, Denied::Copy; "the copy is denied")]
#[test_case(Shape::OneSlot, Denied::Reason; "the reason is denied with one slot")]
#[test_case(Shape::OneSlot, Denied::Delete; "the delete is denied with one slot")]
#[tokio::test]
async fn a_bad_file_that_is_never_set_aside_rests(shape: Shape, denied: Denied) {
    rests(shape, denied).await;
}

mod campaign {
    use test_case::test_case;

    use super::*;

    #[test_case(Shape::OneSlot, Denied::Copy; "the copy is denied with one slot")]
    #[test_case(Shape::Inline, Denied::Copy; "the copy is denied where the lister loads")]
    #[test_case(Shape::Event, Denied::Copy; "the copy is denied where events load")]
    #[test_case(Shape::Slots, Denied::Reason; "the reason is denied")]
    #[test_case(Shape::Slots, Denied::Delete; "the delete is denied")]
    #[tokio::test]
    async fn a_bad_file_that_is_never_set_aside_rests_whatever_is_denied(shape: Shape, denied: Denied) {
        rests(shape, denied).await;
    }
}

async fn rests(shape: Shape, denied: Denied) {
    let world = World::start(shape).await;
    let rule = Rule::new(Fault::Answer(403, "AccessDenied", "Access Denied"));
    let rule = match denied {
        Denied::Copy => rule.operation("CopyObject").subject(format!("failed/{}", name(CULPRIT))),
        Denied::Reason => rule.operation("PutObject").subject(format!("failed/{}", name(CULPRIT))),
        Denied::Delete => rule.operation("DeleteObject").subject(format!("incoming/{}", name(CULPRIT))),
    };
    let rule = world.site.standin.faults().add(rule);
    // In one batch with the others: dropped before any of them where events load.
    world.drop_number(CULPRIT, "no number,x\n");
    world.drop_numbers(0..CULPRIT);
    world.drop_numbers(CULPRIT + 1..FILES);
    world.only_rest(&[CULPRIT], Stage::Quarantine, |world| world.site.standin.faults().remove(rule)).await;
    world.stop().await;
}
