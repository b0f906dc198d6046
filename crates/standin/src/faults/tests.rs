//! What rules strike, how often, and what a rule about a delete does to one object of many.

use super::*;

fn seen(operation: &'static str, subject: &str) -> Seen {
    Seen {
        caller: "fn-worker-1".to_owned(),
        service: "s3",
        operation: operation.into(),
        subject: Some(subject.to_owned()),
        also: None,
        after: None,
    }
}

fn struck(faults: &Faults, seen: &Seen) -> bool {
    !matches!(faults.plan(seen), Plan::Proceed)
}

#[test]
fn a_rule_strikes_only_what_it_is_about() {
    let faults = Faults::new(1, Latency::None);
    faults.add(Rule::new(Fault::Throttle).service("s3").operation("PutObject").caller("fn-worker-").subject("claims/"));
    assert!(struck(&faults, &seen("PutObject", "b/sluice/claims/0.json")));
    assert!(!struck(&faults, &seen("GetObject", "b/sluice/claims/0.json")));
    assert!(!struck(&faults, &seen("PutObject", "b/incoming/1")));
    let outsider = Seen { caller: "me".to_owned(), ..seen("PutObject", "b/sluice/claims/0.json") };
    assert!(!struck(&faults, &outsider));
}

#[test]
fn the_nth_request_is_struck_once() {
    let faults = Faults::new(1, Latency::None);
    let rule = faults.add(Rule::new(Fault::LoseReply).nth(3));
    let struck: Vec<bool> = (0..5).map(|_| struck(&faults, &seen("PutObject", "b/k"))).collect();
    assert_eq!(struck, [false, false, true, false, false]);
    faults.remove(rule);
    faults.add(Rule::new(Fault::LoseReply).first(1));
    assert!(matches!(faults.plan(&seen("PutObject", "b/k")), Plan::Lose(Moment::After)));
    assert!(matches!(faults.plan(&seen("PutObject", "b/k")), Plan::Proceed));
}

#[test]
fn of_the_first_caller_the_requests_of_others_are_not_counted() {
    let faults = Faults::new(1, Latency::None);
    faults.add(Rule::new(Fault::LoseReply).caller("fn-worker-").first_caller().nth(2));
    let by = |caller: &str| struck(&faults, &Seen { caller: caller.to_owned(), ..seen("PutObject", "b/k") });
    let struck = ["me", "fn-worker-1", "fn-worker-2", "fn-worker-2", "fn-worker-1", "fn-worker-1"].map(by);
    assert_eq!(struck, [false, false, false, false, true, false]);
}

#[test]
fn a_fraction_depends_on_the_seed_and_not_on_the_order() {
    let keys: Vec<String> = (0..1000).map(|i| format!("b/{i}")).collect();
    let run = |seed, keys: &mut dyn Iterator<Item = &String>| {
        let faults = Faults::new(seed, Latency::None);
        faults.add(Rule::new(Fault::InternalError).fraction(0.1));
        let mut struck: Vec<&String> = keys.filter(|key| struck(&faults, &seen("PutObject", key))).collect();
        struck.sort();
        struck.into_iter().cloned().collect::<Vec<_>>()
    };
    let forwards = run(7, &mut keys.iter());
    assert_eq!(forwards, run(7, &mut keys.iter().rev()));
    assert_ne!(forwards, run(8, &mut keys.iter()));
    assert!((60..140).contains(&forwards.len()), "{}", forwards.len());
}

#[test]
fn a_retry_is_drawn_again() {
    let faults = Faults::new(7, Latency::None);
    faults.add(Rule::new(Fault::InternalError).fraction(0.5));
    let draws: Vec<bool> = (0..64).map(|_| struck(&faults, &seen("PutObject", "b/k"))).collect();
    assert!(draws.contains(&true) && draws.contains(&false));
}

#[test]
fn a_list_is_known_by_its_prefix() {
    let faults = Faults::new(1, Latency::None);
    faults.add(Rule::new(Fault::Delay(Duration::from_millis(80))).operation("ListObjectsV2").also("in/slow/"));
    let list = |prefix: &str| Seen { also: Some(prefix.to_owned()), ..seen("ListObjectsV2", "b") };
    assert!(matches!(faults.plan(&list("in/slow/")), Plan::Delay(delay) if delay.as_millis() == 80));
    assert!(matches!(faults.plan(&list("in/fast/")), Plan::Proceed));
}

#[test]
fn a_delete_among_others_meets_the_answer_that_it_would_meet_alone() {
    let faults = Faults::new(1, Latency::None);
    let rule = faults.add(Rule::new(Fault::Answer(403, "AccessDenied", "no")).operation("DeleteObject").subject("k"));
    assert_eq!(faults.delete_among_others("me", "b", "k"), Some(("AccessDenied", "no")));
    assert_eq!(faults.delete_among_others("me", "b", "l"), None);
    faults.remove(rule);
    faults.add(Rule::new(Fault::Answer(403, "AccessDenied", "no")).nth(2));
    assert_eq!(faults.delete_among_others("me", "b", "k"), None, "the rule is about requests");
    assert!(!struck(&faults, &seen("GetObject", "b/k")), "and counts no others");
    faults.clear();
    faults.add(Rule::new(Fault::LoseReply).operation("DeleteObject"));
    assert_eq!(faults.delete_among_others("me", "b", "k"), None, "it has no answer of its own that could be lost");
    faults.clear();
    faults.add(Rule::new(Fault::LoseReply).operation("DeleteObject").first(1));
    assert_eq!(faults.delete_among_others("me", "b", "k"), None);
    let alone = faults.plan(&seen("DeleteObject", "b/k"));
    assert!(matches!(alone, Plan::Lose(Moment::After)), "a rule waits for the request that it is about");
}

#[test]
fn a_key_that_is_refused_among_others_is_not_alone() {
    let faults = Faults::new(1, Latency::None);
    faults.add(Rule::new(Fault::KEY_MISMATCH).operation("DeleteObjects").subject("b/k").first(1));
    assert!(!struck(&faults, &seen("DeleteObjects", "b")), "the request is not struck, and not counted");
    assert!(!struck(&faults, &seen("DeleteObject", "b/k")));
    assert_eq!(faults.delete_among_others("me", "b", "l"), None);
    let refused = faults.delete_among_others("me", "b", "k").map(|(code, _)| code);
    assert_eq!(refused, Some("PreconditionFailed"));
    assert_eq!(faults.delete_among_others("me", "b", "k"), None, "only the first");
}
