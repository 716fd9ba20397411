//! Witnesses, as servers of their own.

use crate::{
    Backend, Log, NotPublished, ORIGIN, When, checked, key, object, policy, publish, published, work,
};
use leaver_adapters::witness::HttpWitnesses;
use leaver_domain::{
    ledger::{Note, parse_add_checkpoint},
    policy::{Policy, WitnessPolicy},
    ports::{Witnessed, Witnesses},
};
use leaver_publish::{Publish, handle};
use leaver_tests::sandbox::Stage;
use serde_json::{Value, json};

fn http() -> HttpWitnesses {
    HttpWitnesses::new(leaver_adapters::http::client().expect("a client"))
}

struct Scene {
    stages: Vec<Stage>,
    backend: Backend,
    policy: Policy,
}

async fn face(stage: &Stage, trust: Option<&str>) -> Value {
    let (client, url) =
        (leaver_adapters::http::client().expect("a client"), format!("{}/_sandbox/witness", stage.url));
    let request = match trust {
        None => client.get(url),
        Some(vkey) => client.post(url).body(vkey.to_owned()),
    };
    request.send().await.expect("the sandbox").json().await.expect("JSON")
}

impl Scene {
    /// So many witnesses, all but the first `strangers` of which know the log, and the quorum.
    async fn new(rows: u64, witnesses: usize, strangers: usize, quorum: usize) -> Self {
        let mut log = Log::new();
        log.grow(rows, "suite");
        let backend = Backend::new(log, Box::new(http()));
        let (mut policy, mut stages) = (policy("local"), Vec::new());
        let vkey = key(&backend).await.to_string();
        for number in 0..witnesses {
            let stage = Stage::start().await;
            let view = face(&stage, (number >= strangers).then_some(&vkey)).await;
            let witness = view["vkey"].as_str().expect("a key").to_owned();
            policy
                .ledger
                .witnesses
                .push(WitnessPolicy { vkey: witness, url: format!("{}/witness", stage.url) });
            stages.push(stage);
        }
        policy.ledger.quorum = quorum;
        Self { stages, backend, policy }
    }

    async fn cosigners(&self, name: &str) -> usize {
        let note = Note::parse(&object(&self.backend, name).await.expect("a note")).expect("a note");
        self.policy.ledger.quorum().check(&note).expect("enough").len()
    }

    async fn seen(&self, witness: usize) -> u64 {
        face(&self.stages[witness], None).await["logs"][ORIGIN]["size"].as_u64().expect("a size")
    }
}

#[tokio::test]
async fn every_checkpoint_carries_the_cosignatures_of_who_answers() {
    // Names must differ for a quorum of both: the second one is a stranger to the log.
    let scene = Scene::new(3, 1, 0, 1).await;
    for size in [3, 4, 256, 257, 2_500] {
        scene.backend.log(|log| log.grow(size, "suite"));
        assert_eq!(published(&scene.backend, &scene.policy).await.size, size);
        assert_eq!(scene.cosigners("checkpoint").await, 1);
        assert_eq!(scene.cosigners(&format!("checkpoints/{size:020}")).await, 1);
        assert_eq!(scene.seen(0).await, size);
    }
    assert_eq!(checked(&scene.backend).await, Some(2_500));
    // A sign of life is a newer cosignature.
    let renew = Publish { renew: true, ..work(&scene.backend, &scene.policy) };
    assert_eq!(handle(&renew).await.expect("published").added, 0);
    assert_eq!(scene.cosigners("checkpoint").await, 1);
}

#[tokio::test]
async fn too_few_witnesses_hold_the_checkpoint_back_until_there_are_enough() {
    let scene = Scene::new(3, 1, 1, 1).await;
    let result = publish(&scene.backend, &scene.policy).await.expect("alive");
    assert!(
        matches!(result, Err(ref why @ NotPublished::Witnesses(_)) if why.alarm() == "checkpoint_not_witnessed")
    );
    assert_eq!(object(&scene.backend, "checkpoint").await, None);
    assert_eq!(scene.backend.log(|log| log.kept.clone()), None);
    face(&scene.stages[0], Some(&key(&scene.backend).await.to_string())).await;
    assert_eq!(published(&scene.backend, &scene.policy).await.size, 3);
    // One that fails for a while.
    scene.backend.log(|log| log.grow(5, "suite"));
    scene.stages[0].fault(json!({"system": "witness", "status": 500})).await;
    assert!(matches!(publish(&scene.backend, &scene.policy).await, Some(Err(NotPublished::Witnesses(_)))));
    assert_eq!(checked(&scene.backend).await, Some(3));
    scene.stages[0].clear().await;
    assert_eq!(published(&scene.backend, &scene.policy).await.size, 5);
    assert_eq!(scene.cosigners("checkpoint").await, 1);
}

#[tokio::test]
async fn witnesses_that_are_not_needed_hold_nothing_up() {
    let scene = Scene::new(3, 1, 1, 0).await;
    assert_eq!(published(&scene.backend, &scene.policy).await.size, 3);
    assert_eq!(scene.cosigners("checkpoint").await, 0);
    // Once it knows the log, it is given the proof from where it stands: from nothing.
    face(&scene.stages[0], Some(&key(&scene.backend).await.to_string())).await;
    scene.backend.log(|log| log.grow(300, "suite"));
    published(&scene.backend, &scene.policy).await;
    assert_eq!((scene.cosigners("checkpoint").await, scene.seen(0).await), (1, 300));
}

/// A run that ended between the cosignature and the checkpoint leaves the witness ahead of what is published.
#[tokio::test]
async fn a_witness_that_is_ahead_is_given_the_proof_from_where_it_stands() {
    for when in [When::After, When::Killed] {
        for at in 0.. {
            let scene = Scene::new(3, 1, 0, 1).await;
            published(&scene.backend, &scene.policy).await;
            scene.backend.log(|log| log.grow(260, "suite"));
            scene.backend.fail(Some((at, when)));
            let _ = publish(&scene.backend, &scene.policy).await;
            if !scene.backend.has_failed() {
                break;
            }
            scene.backend.fail(None);
            scene.backend.log(|log| log.grow(300, "suite"));
            assert_eq!(published(&scene.backend, &scene.policy).await.size, 300, "{when:?} {at}");
            assert_eq!(scene.cosigners("checkpoint").await, 1);
            assert_eq!(checked(&scene.backend).await, Some(300));
        }
    }
}

/// Table and bucket put back together to an earlier day, by somebody who may do everything but speak for the witness.
#[tokio::test]
async fn a_witness_refuses_what_leavers_own_checks_can_no_longer_see() {
    let scene = Scene::new(10, 1, 0, 1).await;
    let old = scene.backend.log(|log| log.clone());
    scene.backend.log(|log| log.grow(20, "truth"));
    published(&scene.backend, &scene.policy).await;
    for name in scene.backend.objects.names() {
        scene.backend.objects.tamper(&name, None);
    }
    scene.backend.log(|log| *log = old);
    for size in [10, 20, 30] {
        scene.backend.log(|log| log.grow(size, "another story"));
        let result = publish(&scene.backend, &scene.policy).await.expect("alive");
        assert!(matches!(result, Err(NotPublished::Witnesses(_))), "{size}: {result:?}");
        assert_eq!(object(&scene.backend, "checkpoint").await, None);
    }
    assert_eq!(scene.seen(0).await, 20);
}

/// What the stand-in answers, status by status, as the specification has it.
#[tokio::test]
async fn the_stand_in_answers_as_the_specification_says() {
    let scene = Scene::new(5, 1, 0, 1).await;
    published(&scene.backend, &scene.policy).await;
    let url = scene.policy.ledger.witnesses[0].url.clone();
    let note = String::from_utf8(object(&scene.backend, "checkpoint").await.unwrap()).unwrap();
    let ask = async |request: &str| http().add_checkpoint(&url, request).await.expect("an answer");
    let body = |old: u64, note: &str| format!("old {old}\n\n{note}");
    assert!(parse_add_checkpoint(body(5, &note).as_bytes()).is_ok());
    assert!(matches!(ask(&body(5, &note)).await, Witnessed::Cosigned(_)));
    assert_eq!(ask(&body(4, &note)).await, Witnessed::At(5));
    assert_eq!(ask(&body(6, &note)).await, Witnessed::Refused(400));
    assert_eq!(ask("old").await, Witnessed::Refused(400));
    assert_eq!(ask(&body(5, &note.replace(ORIGIN, "another/log"))).await, Witnessed::Refused(404));
    assert_eq!(ask(&body(5, &note.replacen("\n5\n", "\n6\n", 1))).await, Witnessed::Refused(403));
    // A true signature over a tree that does not continue the one that was seen.
    scene.backend.log(|log| *log = Log::new());
    for (size, expected) in [(5, 409), (9, 422)] {
        let other = Backend::new(Log::new(), Box::new(http()));
        other.log(|log| log.grow(size, "another story"));
        published(&other, &policy("local")).await;
        let note = String::from_utf8(object(&other, "checkpoint").await.unwrap()).unwrap();
        assert_eq!(ask(&body(5, &note)).await, Witnessed::Refused(expected), "{size}");
    }
}
