//! infra/template.yaml against the registry, the handlers, the environment variables that the code reads and the roles.

use crate::{read, root};
use leaver_adapters::SPECS;
use leaver_tests::flow::shipped;
use serde_norway::Value;
use std::{collections::BTreeSet, fs};

const BEGIN: &str = "  # --- generated from the adapter registry: begin\n\n";
const END: &str = "  # --- generated from the adapter registry: end\n";

pub(crate) fn template() -> Value {
    serde_norway::from_str(&read("infra/template.yaml")).expect("YAML")
}

/// Resources of a type, by name.
fn resources(template: &Value, kind: &str) -> Vec<(String, Value)> {
    let resources = template["Resources"].as_mapping().expect("resources");
    let of_kind = resources.iter().filter(|(_, resource)| resource["Type"] == kind);
    of_kind.map(|(name, resource)| (name.as_str().expect("a name").to_owned(), resource.clone())).collect()
}

/// A value without its short-form tag (`!Ref`, `!Sub`, `!GetAtt`).
fn plain(value: &Value) -> String {
    match value {
        Value::Tagged(tagged) => plain(&tagged.value),
        Value::String(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

/// One function, role, log group and secret per registry row. `BLESS=1` rewrites the region.
#[test]
fn the_adapters_part_is_what_the_registry_gives() {
    let block = read("infra/adapter.template.yaml");
    let mut region = String::new();
    for spec in SPECS {
        let camel: String = spec.id.split('_').map(|part| part[..1].to_uppercase() + &part[1..]).collect();
        let more = root().join(format!("infra/adapter.{}.yaml", spec.id));
        let more = fs::read_to_string(more).unwrap_or_default();
        region += &block
            .replace("{system}", spec.id)
            .replace("{CamelName}", &camel)
            .replace("{extra_policy}", &more);
    }
    let text = read("infra/template.yaml");
    let (head, rest) = text.split_once(BEGIN).expect("the region's begin");
    let (found, tail) = rest.split_once(END).expect("the region's end");
    if std::env::var_os("BLESS").is_some() {
        fs::write(root().join("infra/template.yaml"), format!("{head}{BEGIN}{region}{END}{tail}"))
            .expect("written");
        return;
    }
    assert!(found == region, "drifted: run BLESS=1 cargo test -p leaver-tests --test wiring");
}

#[test]
fn every_function_has_a_handler_that_the_code_knows_and_the_other_way_round() {
    let functions = resources(&template(), "AWS::Serverless::Function");
    let handlers: BTreeSet<String> = functions
        .iter()
        .map(|(_, f)| f["Properties"]["Handler"].as_str().expect("a handler").to_owned())
        .collect();
    assert_eq!(handlers.len(), functions.len(), "two functions share a handler");
    let code = read("functions/bootstrap/src/serve.rs");
    let names = code.split("None if handler == \"").skip(1).filter_map(|rest| rest.split('"').next());
    let mut known: BTreeSet<String> = names.map(str::to_owned).collect();
    known.extend(SPECS.iter().map(|spec| spec.id).chain(["custom"]).map(|id| format!("adapter.{id}")));
    assert_eq!(handlers, known);
}

/// What each function's code reads, from the wiring's own text.
#[test]
fn every_variable_that_is_set_is_read_and_the_other_way_round() {
    let code = ["adapter", "canary", "serve", "config", "humans", "publish"]
        .map(|name| read(&format!("functions/bootstrap/src/{name}.rs")))
        .concat();
    let read: BTreeSet<&str> = code
        .split("require(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| !name.starts_with('_') && !name.starts_with("AWS_"))
        .collect();
    let template = template();
    let mut set: BTreeSet<String> = BTreeSet::new();
    let globals =
        template["Globals"]["Function"]["Environment"]["Variables"].as_mapping().expect("variables").clone();
    let mut add = |variables: &serde_norway::Mapping| {
        set.extend(variables.keys().map(|name| name.as_str().expect("a name").to_owned()));
    };
    add(&globals);
    for (_, function) in resources(&template, "AWS::Serverless::Function") {
        add(function["Properties"]["Environment"]["Variables"].as_mapping().expect("variables"));
    }
    assert_eq!(set, read.into_iter().map(str::to_owned).collect());
}

/// Each function its own role; no role may do everything with anything.
#[test]
fn every_function_has_its_own_role_with_named_actions_on_named_resources() {
    let template = template();
    let functions = resources(&template, "AWS::Serverless::Function");
    let roles: BTreeSet<String> = functions.iter().map(|(_, f)| plain(&f["Properties"]["Role"])).collect();
    assert_eq!(roles.len(), functions.len(), "two functions share a role");
    // AWS gives these no resource to name.
    let unnamed =
        ["cloudtrail:LookupEvents", "iam:GetAccessKeyLastUsed", "iam:ListUsers", "states:SendTaskSuccess"];
    let unnamed: BTreeSet<String> = unnamed.into_iter().map(str::to_owned).collect();
    for (name, role) in resources(&template, "AWS::IAM::Role") {
        for policy in role["Properties"]["Policies"].as_sequence().expect("policies") {
            for statement in policy["PolicyDocument"]["Statement"].as_sequence().expect("statements") {
                let actions: BTreeSet<String> = match &statement["Action"] {
                    Value::Sequence(all) => all.iter().map(plain).collect(),
                    one => [plain(one)].into(),
                };
                assert!(actions.iter().all(|action| !action.contains('*')), "{name}: {actions:?}");
                let anything = statement["Resource"] == "*";
                assert!(!anything || actions.is_subset(&unnamed), "{name}: {actions:?} on everything");
            }
        }
    }
}

/// The adapter whose system is AWS itself: what its `SPEC` asks for is what its role may do.
#[test]
fn the_aws_adapters_role_may_do_what_its_spec_says_and_nothing_else() {
    let text = read("infra/adapter.aws_iam.yaml");
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != ':');
    let granted: BTreeSet<&str> = words
        .filter(|word| {
            ["iam:", "cloudtrail:", "identitystore:", "sso:"].iter().any(|service| word.starts_with(service))
        })
        .filter(|word| !word.ends_with(':'))
        .collect();
    let granted: BTreeSet<&str> = granted.into_iter().filter(|word| !word.contains("::")).collect();
    let spec = leaver_adapters::Spec::of("aws_iam").expect("a row");
    assert_eq!(granted, spec.scopes.iter().copied().collect());
}

/// What the emulator does not enforce: the workflow's right to call, and the ledger's right to read the stream.
#[test]
fn the_workflow_may_call_what_it_calls_and_the_ledger_may_read_its_stream() {
    let text = read("infra/template.yaml");
    let role = |name: &str| {
        let (_, rest) = text.split_once(&format!("\n  {name}:\n")).expect("the role");
        rest.split_once("\n\n").expect("its end").0.to_owned()
    };
    let workflow = role("StateMachineRole");
    assert!(workflow.contains("lambda:InvokeFunction"));
    for called in ["PlanFunction", "CloseFunction", "ApprovalFunction", "leaver-${Environment}-adapter-*"] {
        assert!(workflow.contains(called), "{called}");
    }
    let ledger = role("LedgerRole");
    for action in ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"] {
        assert!(ledger.contains(&format!("dynamodb:{action}")), "{action}");
    }
    assert!(ledger.contains("CaseTable.StreamArn"));
}

/// Who holds the key holds the log: one role signs, and that role can write no row.
#[test]
fn only_the_publisher_signs_and_it_cannot_write_the_log() {
    let template = template();
    let key = &template["Resources"]["SigningKey"]["Properties"];
    let signers: Vec<&Value> = key["KeyPolicy"]["Statement"]
        .as_sequence()
        .expect("statements")
        .iter()
        .filter(|one| one["Action"].as_sequence().expect("actions").iter().any(|action| action == "kms:Sign"))
        .collect();
    assert_eq!(signers.len(), 1);
    assert_eq!(plain(&signers[0]["Principal"]["AWS"]), "PublishRole.Arn");
    for statement in key["KeyPolicy"]["Statement"].as_sequence().expect("statements") {
        let actions = statement["Action"].as_sequence().expect("actions").iter().map(plain);
        assert!(!actions.into_iter().any(|action| action.contains('*') || action == "kms:CreateGrant"));
    }
    let role =
        &template["Resources"]["PublishRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let statements = role.as_sequence().expect("statements").iter();
    let mut writes = statements.filter(|one| {
        one["Action"].as_sequence().is_some_and(|all| all.iter().any(|action| action == "dynamodb:PutItem"))
    });
    let only = writes.next().expect("it keeps the checkpoint");
    assert!(writes.next().is_none());
    let keys = &only["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
    assert_eq!(keys, &Value::Sequence(vec!["CHECKPOINT#*".into()]));
}

/// A poisoned record must not block the log for a day and then be thrown away.
#[test]
fn the_ledgers_stream_gives_up_at_last_and_keeps_what_it_gave_up() {
    let template = template();
    let streams = resources(&template, "AWS::Lambda::EventSourceMapping");
    for wanted in ["LedgerStream", "SignalsStream"] {
        let (_, stream) = streams.iter().find(|(name, _)| name == wanted).expect(wanted);
        let stream = &stream["Properties"];
        let tries = stream["MaximumRetryAttempts"].as_i64();
        assert!(tries.is_some_and(|tries| (1..=1_000).contains(&tries)), "{wanted}");
        assert!(!stream["DestinationConfig"]["OnFailure"]["Destination"].is_null(), "{wanted}");
        // No record can poison the signals: what is unreadable is passed over, and the rest fails by its receiver.
        assert!(stream["BisectBatchOnFunctionError"] == true || wanted == "SignalsStream", "{wanted}");
    }
}

/// Whoever tells others of rows reads the ledger's stream, writes below one prefix and signs with a key of its own.
#[test]
fn the_signals_may_do_nothing_to_the_log() {
    let text = read("infra/template.yaml");
    let part = |name: &str| {
        let (_, rest) = text.split_once(&format!("\n  {name}:\n")).expect("it is there");
        rest.split_once("\n\n").expect("its end").0
    };
    let (role, log_key, own_key) = (part("SignalsRole"), part("SigningKey"), part("SignalsKey"));
    for action in ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"] {
        assert!(role.contains(&format!("dynamodb:{action}")), "{action}");
    }
    assert!(role.contains("LedgerTable.StreamArn") && role.contains("${EvidenceBucket.Arn}/ocsf/*"));
    assert!(own_key.contains("SignalsRole.Arn") && !own_key.contains("PublishRole"));
    assert!(
        log_key.contains("PublishRole.Arn")
            && !log_key.contains("SignalsRole")
            && !role.contains("SigningKey")
    );
    for forbidden in ["PutItem", "s3:GetObject", "s3:DeleteObject", "CaseTable"] {
        assert!(!role.contains(forbidden), "{forbidden}");
    }
}

/// Who writes an archive cannot read it, and who reads one cannot change it; both by their roles and by the bucket itself.
#[test]
fn an_archive_is_written_by_one_role_and_read_by_another() {
    let text = read("infra/template.yaml");
    let part = |name: &str| {
        let (_, rest) = text.split_once(&format!("\n  {name}:\n")).expect("it is there");
        rest.split_once("\n\n").expect("its end").0
    };
    let (writes, reads, bucket) = (part("ArchiveRole"), part("ComplianceRole"), part("ArchiveBucketPolicy"));
    for forbidden in ["s3:GetObject", "s3:DeleteObject", "s3:BypassGovernanceRetention", "LedgerTable"] {
        assert!(!writes.contains(forbidden), "{forbidden}");
    }
    for forbidden in ["s3:PutObject", "s3:DeleteObject", "s3:BypassGovernanceRetention", "EvidenceBucket"] {
        assert!(!reads.contains(forbidden), "{forbidden}");
    }
    let names = |role: &str| {
        text.matches(&format!("leaver-${{Environment}}-archive-${{AWS::AccountId}}/{role}")).count()
    };
    assert_eq!(names("archive/users/*"), 2, "no other role reaches into it");
    let denies = bucket.matches("Effect: Deny").count();
    assert_eq!((bucket.matches("Effect:").count(), denies), (3, 3), "it grants nobody anything");
    assert!(bucket.contains("ComplianceRole.Arn") && bucket.contains("ArchiveRole.Arn"));
    // The bucket's rule goes by the stack's parameter, the locks by the policy.
    let days = template()["Parameters"]["ArchiveRetentionDays"]["Default"].as_u64();
    assert_eq!(days, Some(u64::from(shipped("prod").data.retention_days)));
}

#[test]
fn the_policy_names_the_systems_of_the_registry() {
    let registry: BTreeSet<&str> = SPECS.iter().map(|spec| spec.id).collect();
    for environment in ["local", "staging", "prod"] {
        let policy = shipped(environment);
        let own = policy.automatic().filter(|system| policy.custom(system).is_none());
        let named: BTreeSet<&str> = own.map(|system| system.as_str()).collect();
        assert!(named.is_subset(&registry), "{environment}: {:?}", named.difference(&registry));
    }
    let named = shipped("prod");
    assert!(
        registry.iter().all(|id| named.automatic().any(|system| system.as_str() == *id)),
        "a row is not used"
    );
}

/// What every route asks for: the webhook has its own token, the published log and the signals' public
/// key are open, everything else has the authorizer.
#[test]
fn every_other_route_asks_for_a_token_and_the_code_knows_it() {
    let code = read("functions/api/src/lib.rs");
    let open = [
        "GET /api/v1/ledger/checkpoint",
        "GET /api/v1/ledger/keys",
        "GET /api/v1/ledger/tile/{path+}",
        "GET /api/v1/signals/jwks",
        "GET /.well-known/ssf-configuration",
    ];
    for (name, route) in resources(&template(), "AWS::ApiGatewayV2::Route") {
        let key = plain(&route["Properties"]["RouteKey"]);
        // Those who call these prove themselves to the function, over the raw bytes.
        if ["POST /api/v1/webhooks/hr-events", "POST /api/v1/slack/interactions"].contains(&key.as_str()) {
            assert_ne!(plain(&route["Properties"]["AuthorizationType"]), "JWT");
            continue;
        }
        let asks = plain(&route["Properties"]["AuthorizationType"]);
        assert_eq!(asks, if open.contains(&key.as_str()) { "NONE" } else { "JWT" }, "{name}");
        let (method, path) = key.split_once(' ').expect("a method");
        let segments: Vec<String> = path
            .trim_matches('/')
            .split('/')
            .map(|part| {
                if let Some(rest) = part.strip_suffix("+}") {
                    format!("{} @ ..", rest.trim_start_matches('{'))
                } else if part.starts_with('{') {
                    part.trim_matches(['{', '}']).to_owned()
                } else {
                    format!("\"{part}\"")
                }
            })
            .collect();
        let arm = format!("(\"{method}\", [{}])", segments.join(", "));
        assert!(code.contains(&arm), "{arm}");
    }
}
