//! Behind the end: the review of emergency access, and ends that hang.

use super::{Desk, HOUR, after, grant, life::in_force, name};
use leaver_domain::{
    case::{CaseStatus, Mode},
    intake,
    measure::{MeasureStatus, What},
    person::PersonStatus,
    ports::CaseStore,
    problem::NotDone,
    reviews::{self, ReviewKind},
    tasks::{self, Closer, TaskId},
};
use leaver_tests::sandbox::now;
use std::time::Duration;

/// Somebody else of security has to look at it, once it is over.
#[tokio::test]
async fn emergency_access_is_reviewed_by_nobody_who_asked_agreed_or_got_it() {
    let (desk, measure, end) = in_force("break_glass").await;
    let id = reviews::id_of(ReviewKind::BreakGlass, &measure.cases[0]);
    let review = desk.cases.review(&id).await.unwrap().expect("a review");
    assert_eq!(review.not_before, Some(end));
    assert_eq!(review.due_at, end.plus(Duration::from_secs(desk.policy.approvals.review_seconds.into())));
    assert_eq!(review.not_by, ["jane.smith", "john.doe", "sam.admin"].map(str::to_owned).into());
    assert_eq!(review.owners, [name("taylor.admin")].into());
    let close = async |who: &str, at| {
        let (id, by) = (TaskId::Review(id.clone()), Closer { username: name(who), steward: true });
        let closed = tasks::close(&desk.cases, &desk.workflow, &id, &by, "looked at", &[], at).await;
        closed.map_err(|why| match why {
            NotDone::Refused(problem) => problem.status,
            NotDone::Store(error) => panic!("{error}"),
        })
    };
    let early = end.minus(Duration::from_millis(1));
    assert_eq!(close("taylor.admin", early).await.unwrap_err(), 409);
    for who in ["jane.smith", "sam.admin", "john.doe"] {
        assert_eq!(close(who, end).await.unwrap_err(), 403, "{who}");
    }
    assert!(close("taylor.admin", end).await.is_ok());
}

/// Where nobody else of security is left, whoever agreed may look at it; whoever asked may not.
#[tokio::test]
async fn whoever_agreed_to_emergency_access_reviews_it_only_where_nobody_else_could() {
    for (asks, gone, owners, not_by) in [
        ("taylor.admin", "", vec!["sam.admin"], vec!["john.doe", "taylor.admin"]),
        ("jane.smith", "taylor.admin", vec!["sam.admin"], vec!["jane.smith", "john.doe"]),
        ("taylor.admin", "sam.admin", vec![], vec!["john.doe", "sam.admin", "taylor.admin"]),
    ] {
        let desk = Desk::new().await;
        let case = desk.took("john.doe", Mode::Leave).await;
        let mut asked = desk.asked(What::BreakGlass { case }, "john.doe", Some(after(HOUR)), "r");
        (asked.requested_by, asked.only) = (name(asks), [name("sam.admin")].into());
        let measure = desk.ask(asked).await.unwrap();
        desk.approve(&measure).await;
        if !gone.is_empty() {
            let mut person = desk.person(gone).await;
            (person.status, person.version) = (PersonStatus::Leaving, person.version + 1);
            desk.cases.put_person(&person).await.unwrap();
        }
        let measure = desk.begin(&measure, now()).await.unwrap();
        let id = reviews::id_of(ReviewKind::BreakGlass, &measure.cases[0]);
        let review = desk.cases.review(&id).await.unwrap().expect("a review");
        assert_eq!(review.owners, owners.iter().map(|one| name(one)).collect(), "{asks} {gone}");
        assert_eq!(review.not_by, not_by.iter().map(|one| (*one).to_owned()).collect(), "{asks} {gone}");
    }
}

/// What an emergency interrupted goes on as it was: why they were away is still their manager's to know.
#[tokio::test]
async fn whoever_was_suspended_for_inactivity_comes_back_by_their_manager_after_an_emergency_too() {
    let desk = Desk::new().await;
    let case = desk.took("john.doe", Mode::Suspend).await;
    let mut inactive = desk.case(&case).await;
    inactive.trigger.kind = intake::INACTIVE.into();
    inactive.version += 1;
    desk.cases.put_case(&inactive).await.unwrap();
    let mut asked = desk.asked(What::BreakGlass { case }, "john.doe", Some(after(HOUR)), "emergency");
    asked.only.insert(name("sam.admin"));
    let emergency = desk.given(asked).await;
    desk.run(&emergency.cases[0], &[]).await;
    let ending = desk.end(&emergency, after(HOUR)).await.unwrap();
    let back = desk.case(ending.cases.last().unwrap()).await;
    assert_eq!(back.mode, Mode::Suspend);
    let john = desk.person("john.doe").await;
    assert_eq!((john.status, john.case.as_ref()), (PersonStatus::Suspended, Some(&back.case_id)));
    desk.settle(&back.case_id, CaseStatus::Complete).await;
    let mut restore = desk.asked(What::Restore { case: back.case_id }, "john.doe", None, "restore");
    restore.requested_by = name("taylor.admin");
    let restore = desk.ask(restore).await.unwrap();
    assert_eq!(restore.approval.asked, [name("jane.smith")]);
    assert_eq!(restore.approval.need.only, [name("jane.smith")].into());
}

/// What hangs is looked at less and less often, so that it keeps nobody from their end.
#[tokio::test]
async fn ends_that_hang_let_new_ones_come_first() {
    let desk = Desk::new().await;
    let mut stuck = Vec::new();
    for number in 0..3 {
        let permission = format!("okta:stuck{number}");
        let asked = desk.asked(grant(&[permission.as_str()]), "john.doe", Some(after(HOUR)), &permission);
        let one = desk.given(asked).await;
        desk.run(&one.cases[0], &[]).await;
        stuck.push(one);
    }
    let new = desk.given(desk.asked(grant(&["okta:new"]), "john.doe", Some(after(3 * HOUR)), "new")).await;
    desk.run(&new.cases[0], &[]).await;
    let due = async |at, limit| desk.cases.measures_due(at, limit).await.unwrap();
    let over = stuck.iter().filter_map(|one| one.until).max().unwrap();
    assert_eq!(due(over, 9).await.len(), 3);
    for one in &stuck {
        let ending = desk.end(one, over).await.unwrap();
        desk.settle(ending.cases.last().unwrap(), CaseStatus::Incomplete).await;
        desk.end(one, over).await.unwrap();
    }
    assert_eq!(due(over, 9).await, [], "they were looked at just now");
    // As often as the minute comes, for a day.
    let mut looks = 0;
    let mut at = over;
    for _ in 0..24 * 60 {
        at = at.plus(Duration::from_secs(60));
        for id in due(at, 2).await {
            looks += usize::from(stuck.iter().any(|one| one.measure_id == id));
            let measure = desk.cases.measure(&id).await.unwrap().unwrap();
            let measure = desk.end(&measure, at).await.unwrap();
            if id == new.measure_id {
                assert!(at.since(new.until.unwrap()).as_secs() <= 120, "{at}");
                desk.settle(measure.cases.last().unwrap(), CaseStatus::Complete).await;
            }
        }
    }
    assert_eq!(desk.measure(&new).await.status, MeasureStatus::Ended);
    assert!((3 * 90..=3 * 105).contains(&looks), "{looks}: about every quarter of an hour");
    for one in &stuck {
        let case = desk.measure(one).await.cases.last().unwrap().clone();
        desk.settle(&case, CaseStatus::Complete).await;
        let ended = desk.end(one, at).await.unwrap();
        assert_eq!(
            (ended.status, ended.look_at),
            (MeasureStatus::Ended, None),
            "it is done as soon as it is seen"
        );
    }
}

/// The earliest first, whatever their names.
#[tokio::test]
async fn measures_are_due_in_the_order_of_their_time() {
    let desk = Desk::new().await;
    let mut all = Vec::new();
    for hours in [5, 2, 4, 1, 3] {
        let permission = format!("okta:p{hours}");
        let asked =
            desk.asked(grant(&[permission.as_str()]), "john.doe", Some(after(hours * HOUR)), &permission);
        let one = desk.given(asked).await;
        all.push((one.until.unwrap(), one.measure_id));
    }
    all.sort();
    let expected: Vec<_> = all.into_iter().map(|(_, id)| id).collect();
    assert_eq!(desk.cases.measures_due(after(9 * HOUR), 9).await.unwrap(), expected);
    assert_eq!(desk.cases.measures_due(after(9 * HOUR), 2).await.unwrap(), expected[..2]);
}
