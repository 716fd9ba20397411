//! Deploys `infra/template.yaml` to the emulator as it is: CloudFormation does all of it, only the two files that the
//! template names by their place in the repository are named by their place in a bucket instead.

use super::{
    Environment, STACK,
    aws::{Aws, Refused},
    build::{Built, stamp},
    state::State,
};
use crate::{
    failure::{Context as _, Failure},
    progress::Step,
};
use leaver_domain::digest::Digest;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Cursor, Write as _},
    time::{Duration, Instant},
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const CLOUDFORMATION: (&str, &str) = ("cloudformation", "2010-05-15");
const BUCKET: &str = "leaver-artifacts";
/// Turns the locking of objects on, and locks none by itself.
const LOCKABLE: &[u8] =
    b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>";
/// How long a deployment may take on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(180);

/// Lists, as CloudFormation's XML has them.
#[derive(Deserialize)]
#[serde(bound = "T: serde::de::DeserializeOwned")]
struct Members<T> {
    #[serde(default = "Vec::new")]
    member: Vec<T>,
}

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self { member: Vec::new() }
    }
}

#[derive(Deserialize)]
struct Stacks {
    #[serde(rename = "DescribeStacksResult")]
    result: StacksResult,
}

#[derive(Deserialize)]
struct StacksResult {
    #[serde(rename = "Stacks", default)]
    stacks: Members<Stack>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stack {
    stack_status: String,
    #[serde(default)]
    stack_status_reason: String,
    #[serde(default)]
    outputs: Members<Output>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    output_key: String,
    output_value: String,
}

#[derive(Deserialize)]
struct Events {
    #[serde(rename = "DescribeStackEventsResult")]
    result: EventsResult,
}

#[derive(Deserialize)]
struct EventsResult {
    #[serde(rename = "StackEvents", default)]
    events: Members<Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    logical_resource_id: String,
    resource_status: String,
    #[serde(default)]
    resource_status_reason: String,
}

#[derive(Deserialize)]
struct Accepted {}

/// Deploys what was built, unless exactly that is deployed.
pub(super) async fn deploy(
    env: &Environment,
    aws: &Aws,
    built: &Built,
    state: &mut State,
) -> Result<(), Failure> {
    let read = |path: &std::path::Path| fs::read(path).context(path.display());
    let template = read(&env.root.join("infra/template.yaml"))?;
    let machine = read(&env.root.join("statemachine.json"))?;
    let parts = [stamp(&built.bootstrap)?.as_bytes(), &template, &machine].map(Digest::of);
    let digest = Digest::of_parts(&parts.each_ref().map(|part| &part.0[..])).to_string();
    if state.deployed.as_ref() == Some(&digest) {
        return Ok(());
    }
    let mut step = env.progress.step("Deploying the stack");
    step.note("uploading");
    let template = String::from_utf8(template).context("infra/template.yaml")?;
    let code = format!("functions/{}.zip", parts[0]);
    let definition = format!("statemachine/{}.json", parts[2]);
    let template = placed(
        &placed(&template, "CodeUri: ..", &code)?,
        "DefinitionUri: ../statemachine.json",
        &definition,
    )?;
    aws.put(BUCKET, Vec::new()).await?;
    aws.put(&format!("{BUCKET}/{code}"), zipped(&read(&built.bootstrap)?)?).await?;
    aws.put(&format!("{BUCKET}/{definition}"), machine).await?;
    aws.put(&format!("{BUCKET}/template.yaml"), template.clone().into_bytes()).await?;
    let resources = template.lines().filter(|line| line.starts_with("    Type: AWS::")).count();
    let unchanged = !create_or_update(aws).await?;
    state.outputs = settled(aws, &mut step, resources, unchanged).await?;
    // Of the template the emulator leaves out that the buckets' objects can be locked.
    for name in ["EvidenceBucketName", "ArchiveBucketName"] {
        if let Some(bucket) = state.outputs.get(name) {
            aws.put(&format!("{bucket}?object-lock"), LOCKABLE.to_vec()).await?;
        }
    }
    state.deployed = Some(digest);
    state.write(&env.dir)?;
    step.done(&format!("{resources} resources"));
    Ok(())
}

/// The template with one local place replaced by a place in the bucket.
fn placed(template: &str, local: &str, key: &str) -> Result<String, Failure> {
    let (name, _) = local.split_once(' ').unwrap_or((local, ""));
    let here = |line: &&str| line.trim() == local;
    match template.lines().filter(here).count() {
        1 => {
            let line = |line: &str| {
                if line.trim() == local {
                    line.replace(local, &format!("{name} s3://{BUCKET}/{key}"))
                } else {
                    line.to_owned()
                }
            };
            Ok(template.lines().map(|text| line(text) + "\n").collect())
        }
        other => {
            Err(Failure::new(format!("infra/template.yaml says `{local}` {other} times; once is expected")))
        }
    }
}

/// The package of the functions. Not compressed: it only goes to the next process.
fn zipped(bootstrap: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::with_capacity(bootstrap.len() + 1024)));
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o755);
    zip.start_file("bootstrap", options).context("the package")?;
    zip.write_all(bootstrap).context("the package")?;
    Ok(zip.finish().context("the package")?.into_inner())
}

/// Asks for the stack as the template has it; whether there is anything to do.
async fn create_or_update(aws: &Aws) -> Result<bool, Failure> {
    let url = format!("{}/{BUCKET}/template.yaml", aws.base());
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let mut parameters = vec![
        ("StackName".to_owned(), STACK.to_owned()),
        ("TemplateURL".to_owned(), url),
        ("Capabilities.member.1".to_owned(), "CAPABILITY_IAM".to_owned()),
        ("Capabilities.member.2".to_owned(), "CAPABILITY_AUTO_EXPAND".to_owned()),
    ];
    let values = [("Environment", "local"), ("Architecture", architecture), ("LogRetentionDays", "7")];
    for (number, (key, value)) in (1..).zip(values) {
        parameters.push((format!("Parameters.member.{number}.ParameterKey"), key.to_owned()));
        parameters.push((format!("Parameters.member.{number}.ParameterValue"), value.to_owned()));
    }
    let parameters: Vec<(&str, &str)> = parameters.iter().map(|(key, value)| (&**key, &**value)).collect();
    let created: Result<Accepted, Refused> = aws.query(CLOUDFORMATION, "CreateStack", &parameters).await;
    match created {
        Ok(Accepted {}) => Ok(true),
        Err(refused) if refused.code == "AlreadyExistsException" => {
            let updated: Result<Accepted, Refused> =
                aws.query(CLOUDFORMATION, "UpdateStack", &parameters).await;
            match updated {
                Ok(Accepted {}) => Ok(true),
                Err(refused) if refused.message.contains("No updates") => Ok(false),
                Err(refused) => Err(refused.into()),
            }
        }
        Err(refused) => Err(refused.into()),
    }
}

/// Waits until the stack has come to rest; what it tells.
async fn settled(
    aws: &Aws,
    step: &mut Step,
    resources: usize,
    unchanged: bool,
) -> Result<BTreeMap<String, String>, Failure> {
    let begun = Instant::now();
    loop {
        let answer: Stacks = aws.query(CLOUDFORMATION, "DescribeStacks", &[("StackName", STACK)]).await?;
        let stack = answer.result.stacks.member.into_iter().next();
        let stack = stack.ok_or_else(|| Failure::new("the stack is not there"))?;
        // A failed update that was rolled back leaves its mark on a stack that is what it should be.
        let rolled_back = unchanged && stack.stack_status == "UPDATE_ROLLBACK_COMPLETE";
        match stack.stack_status.as_str() {
            status if rolled_back || matches!(status, "CREATE_COMPLETE" | "UPDATE_COMPLETE") => {
                let outputs = stack.outputs.member.into_iter();
                return Ok(outputs.map(|output| (output.output_key, output.output_value)).collect());
            }
            status if status.ends_with("IN_PROGRESS") && begun.elapsed() < LIMIT => {}
            status => {
                let why = failures(aws).await;
                let reason = stack.stack_status_reason;
                return Err(Failure::new(format!(
                    "the stack ended as {status}: {reason}\n{}",
                    why.join("\n")
                )));
            }
        }
        if let Ok(events) = events(aws).await {
            let done = events.iter().filter(|event| event.resource_status.ends_with("_COMPLETE"));
            let done: BTreeSet<&str> = done.map(|event| event.logical_resource_id.as_str()).collect();
            step.at(done.len().min(resources) as u64, resources as u64);
            step.note(events.first().map(|event| event.logical_resource_id.clone()).unwrap_or_default());
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

async fn events(aws: &Aws) -> Result<Vec<Event>, Refused> {
    let answer: Events = aws.query(CLOUDFORMATION, "DescribeStackEvents", &[("StackName", STACK)]).await?;
    Ok(answer.result.events.member)
}

/// The resources that failed, and why.
async fn failures(aws: &Aws) -> Vec<String> {
    let events = events(aws).await.unwrap_or_default();
    let failed = events.iter().filter(|event| event.resource_status.ends_with("_FAILED"));
    failed.map(|event| format!("{}: {}", event.logical_resource_id, event.resource_status_reason)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_local_places_of_the_template_are_replaced() {
        let template = include_str!("../../../infra/template.yaml");
        let once = placed(template, "CodeUri: ..", "a.zip").unwrap();
        let twice = placed(&once, "DefinitionUri: ../statemachine.json", "b.json").unwrap();
        let changed: Vec<_> =
            template.lines().zip(twice.lines()).filter(|(before, after)| before != after).collect();
        assert_eq!(changed.len(), 2);
        assert_eq!(changed[0].1.trim(), "CodeUri: s3://leaver-artifacts/a.zip");
        assert_eq!(changed[1].1.trim(), "DefinitionUri: s3://leaver-artifacts/b.json");
        assert!(placed(&twice, "CodeUri: ..", "a.zip").is_err());
    }

    #[test]
    fn an_answer_of_cloudformation_is_read() {
        let xml = r#"<?xml version="1.0"?><DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
            <DescribeStacksResult><Stacks><member><StackName>s</StackName><StackStatus>CREATE_COMPLETE</StackStatus>
            <Outputs><member><OutputKey>A</OutputKey><OutputValue>1</OutputValue></member>
            <member><OutputKey>B</OutputKey><OutputValue>2</OutputValue><Description/></member></Outputs><Tags/></member></Stacks>
            </DescribeStacksResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeStacksResponse>"#;
        let stacks: Stacks = quick_xml::de::from_str(xml).unwrap();
        let stack = &stacks.result.stacks.member[0];
        assert_eq!(stack.stack_status, "CREATE_COMPLETE");
        assert_eq!(stack.outputs.member.len(), 2);
        let none = xml.replace("<member><OutputKey>A</OutputKey><OutputValue>1</OutputValue></member>", "");
        assert!(quick_xml::de::from_str::<Stacks>(&none).is_ok());
    }

    #[test]
    fn the_package_holds_an_executable_bootstrap() {
        let mut zip = zip::ZipArchive::new(Cursor::new(zipped(b"\x7fELF").unwrap())).unwrap();
        let file = zip.by_name("bootstrap").unwrap();
        assert_eq!(file.unix_mode().unwrap() & 0o777, 0o755);
        assert_eq!(file.size(), 4);
    }
}
