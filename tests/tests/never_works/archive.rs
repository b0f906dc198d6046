//! Files that are loaded and cannot be archived: they rest, what else was done is finished, and all others go on.

use sluice_standin::faults::{Fault, Rule, RuleId};
use test_case::test_case;

use crate::scene::{AT_ONCE, CULPRIT, FILES, LATER, SOON, Shape, Stage, World, name};

/// What S3 does not do, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Never {
    /// The copy is denied.
    Copies,
    /// S3 fails at the copy.
    CopiesWell,
    /// The copy is throttled.
    CopiesNow,
    /// The delete is denied, alone and among others.
    Deletes,
    /// The copy may not be looked at.
    Shows,
}

impl Never {
    /// For one file.
    fn begin(self, world: &World) -> RuleId {
        let denied = Fault::Answer(403, "AccessDenied", "Access Denied");
        let (from, to) = (format!("incoming/{}", name(CULPRIT)), format!("processed/{}", name(CULPRIT)));
        let rule = match self {
            Self::Copies => Rule::new(denied).operation("CopyObject").subject(to),
            Self::CopiesWell => Rule::new(Fault::InternalError).operation("CopyObject").subject(to),
            Self::CopiesNow => Rule::new(Fault::Throttle).operation("CopyObject").subject(to),
            Self::Deletes => Rule::new(denied).operation("DeleteObject").subject(from),
            Self::Shows => Rule::new(denied).operation("HeadObject").subject(to),
        };
        world.site.standin.faults().add(rule)
    }
}

#[test_case(Shape::Slots, Never::Copies; "the copy is denied")]
#[test_case(Shape::OneSlot, Never::Copies; "the copy is denied with one slot")]
#[test_case(Shape::Slots, Never::Deletes; "the delete is denied")]
#[test_case(Shape::Inline, Never::Deletes; "the delete is denied where the lister loads")]
#[tokio::test]
async fn a_loaded_file_that_is_never_archived_rests(shape: Shape, never: Never) {
    rests(shape, never).await;
}

/// A copy has another `ETag` than its source: it must not be made again, and again, under one name after the other.
#[test_case(Never::Copies; "the copy is denied")]
#[test_case(Never::Deletes; "the delete is denied")]
#[tokio::test]
async fn a_loaded_file_that_is_never_archived_rests_where_etags_are_no_hashes(never: Never) {
    let world = World::start(Shape::OneSlot).await;
    world.site.encrypt();
    let rule = never.begin(&world);
    world.drop_numbers(0..FILES);
    world.only_rest(&[CULPRIT], Stage::Archive, |world| world.site.standin.faults().remove(rule)).await;
    let copies = world.site.keys(&format!("processed/{}", name(CULPRIT)));
    assert!((1..=2).contains(&copies.len()), "{copies:?}");
    let others = world.site.keys("processed/numbers/").len() - copies.len();
    assert_eq!(others, usize::try_from(FILES + LATER - 1).unwrap(), "each of the others has one copy");
    world.stop().await;
}

mod campaign {
    use test_case::test_case;

    use super::*;

    #[test_case(Shape::Inline, Never::Copies; "the copy is denied where the lister loads")]
    #[test_case(Shape::Event, Never::Copies; "the copy is denied where events load")]
    #[test_case(Shape::OneSlot, Never::CopiesWell; "the copy fails with one slot")]
    #[test_case(Shape::Slots, Never::CopiesNow; "the copy is throttled")]
    #[test_case(Shape::OneSlot, Never::CopiesNow; "the copy is throttled with one slot")]
    #[test_case(Shape::OneSlot, Never::Deletes; "the delete is denied with one slot")]
    #[test_case(Shape::Event, Never::Deletes; "the delete is denied where events load")]
    #[tokio::test]
    async fn a_loaded_file_that_is_never_archived_rests_whatever_s3_does_not_do(shape: Shape, never: Never) {
        rests(shape, never).await;
    }
}

async fn rests(shape: Shape, never: Never) {
    let world = World::start(shape).await;
    let rule = never.begin(&world);
    world.drop_numbers(0..FILES);
    world.only_rest(&[CULPRIT], Stage::Archive, |world| world.site.standin.faults().remove(rule)).await;
    let all = (0..FILES + LATER).chain(world.came()).count();
    assert_eq!(world.site.keys("processed/numbers/").len(), all);
    world.stop().await;
}

/// Another file has its name in the archive, and the function may not look at that one: another name will do.
#[test_case(Shape::Slots; "with slots")]
#[test_case(Shape::OneSlot; "with one slot")]
#[tokio::test]
async fn a_file_whose_name_is_taken_by_one_that_may_not_be_seen_holds_up_nothing(shape: Shape) {
    let world = World::start(shape).await;
    let rule = Never::Shows.begin(&world);
    let taken = format!("processed/{}", name(CULPRIT));
    world.site.standin.storage().put(sluice_tests::BUCKET, &taken, "another\n").unwrap();
    world.drop_numbers(0..FILES);
    let all = (0..FILES).collect::<Vec<_>>();
    let others = async |world: &World| world.is(&all, &[]).await || world.is(&all, &[CULPRIT]).await;
    world.within(SOON, "the others get through", others).await;
    world.within(AT_ONCE, "no slot is filled", async |world| world.in_slots().is_empty()).await;
    world.site.standin.faults().remove(rule);
    let done = async |world: &World| world.is(&all, &[]).await && world.site.keys("sluice/claims/numbers/").is_empty();
    world.within(AT_ONCE, "everything gets through", done).await;
    assert_eq!(world.site.keys(&taken).len(), 2, "nothing is overwritten");
    world.stop().await;
}

/// The function may not read one file: what it cannot look at is COPY's to judge.
#[test_case(Shape::Slots; "with slots")]
#[test_case(Shape::OneSlot; "with one slot")]
#[tokio::test]
async fn a_file_whose_head_cannot_be_looked_at_holds_up_nothing(shape: Shape) {
    let world = World::start(shape).await;
    let denied = Rule::new(Fault::Answer(403, "AccessDenied", "Access Denied")).operation("GetObject");
    let denied = world.site.standin.faults().add(denied.subject("incoming/".to_owned() + &name(CULPRIT)));
    world.drop_numbers(0..FILES);
    let others = async |world: &World| {
        let culprit = format!("incoming/{}", name(CULPRIT));
        world.waiting().iter().all(|key| *key == culprit)
    };
    world.within(SOON, "the others get through", others).await;
    world.within(AT_ONCE, "no slot is filled", async |world| world.in_slots().is_empty()).await;
    assert_eq!(world.site.keys("failed/"), [""; 0]);
    world.site.standin.faults().remove(denied);
    world.heals(AT_ONCE, FILES, &[]).await;
    world.stop().await;
}
