//! The template as `CloudFormation` reads it: parsed by SAM's own parser, its functions resolved for given parameters.
//!
//! Knows the intrinsic functions that the template uses and fails on any other; never asks AWS.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

pub(crate) const REGION: &str = "us-east-1";
pub(crate) const ACCOUNT: &str = "123456789012";
/// The functions' names then are those of the stand-in's deployment.
pub(crate) const STACK: &str = "sluice";

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The template, with its functions as they are written.
pub(crate) fn read() -> Value {
    let tools = std::env::var_os("SLUICE_TOOLS").map_or_else(|| root().join(".tools"), PathBuf::from);
    let python = tools.join("sam/bin/python");
    assert!(python.exists(), "no AWS SAM in {}: run `make setup`, or `make test`", tools.display());
    let program = "import json, sys; from samcli.yamlhelper import yaml_parse; \
                   json.dump(yaml_parse(open(sys.argv[1]).read()), sys.stdout)";
    let output = Command::new(python).args(["-c", program]).arg(root().join("template.yaml")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A stack: the template with parameters.
pub(crate) struct Stack<'t> {
    template: &'t Value,
    parameters: BTreeMap<String, Value>,
}

impl<'t> Stack<'t> {
    pub(crate) fn new(template: &'t Value, given: &[(&str, &str)]) -> Self {
        let declared = template["Parameters"].as_object().unwrap();
        for (name, _) in given {
            assert!(declared.contains_key(*name), "the template has no parameter {name}");
        }
        let value = |name: &String, declaration: &Value| {
            let given = given.iter().find(|(known, _)| known == name).map(|(_, value)| json!(value));
            let value = given.or_else(|| declaration.get("Default").cloned());
            let value = value.unwrap_or_else(|| panic!("{name} has no default and is not given"));
            if declaration["Type"] == "CommaDelimitedList" {
                let text = value.as_str().unwrap_or_default();
                return json!(text.split(',').collect::<Vec<_>>());
            }
            value
        };
        let parameters = declared.iter().map(|(name, one)| (name.clone(), value(name, one))).collect();
        Self { template, parameters }
    }

    /// The resources whose conditions hold, resolved.
    pub(crate) fn resources(&self) -> BTreeMap<String, Value> {
        let resources = self.template["Resources"].as_object().unwrap();
        let holds = |resource: &Value| resource["Condition"].as_str().is_none_or(|name| self.holds(name));
        let there = resources.iter().filter(|(_, resource)| holds(resource));
        there.map(|(name, resource)| (name.clone(), self.resolve(resource).unwrap())).collect()
    }

    /// A resource's resolved properties.
    pub(crate) fn properties(&self, name: &str) -> Value {
        self.resources().get(name).unwrap_or_else(|| panic!("this stack has no {name}"))["Properties"].clone()
    }

    fn holds(&self, condition: &str) -> bool {
        self.test(&self.template["Conditions"][condition])
    }

    fn test(&self, condition: &Value) -> bool {
        let (function, arguments) = only(condition).unwrap_or_else(|| panic!("no condition: {condition}"));
        let all = || arguments.as_array().unwrap().iter().map(|one| self.test(one));
        match function {
            "Condition" => self.holds(arguments.as_str().unwrap()),
            "Fn::Equals" => self.text(&arguments[0]) == self.text(&arguments[1]),
            "Fn::Not" => !all().next().unwrap(),
            "Fn::And" => all().all(|holds| holds),
            "Fn::Or" => all().any(|holds| holds),
            other => panic!("the test does not know {other}"),
        }
    }

    /// `None` for what is `AWS::NoValue`.
    fn resolve(&self, value: &Value) -> Option<Value> {
        if let Some((function, arguments)) = only(value).filter(|(name, _)| *name == "Ref" || name.starts_with("Fn::"))
        {
            return self.call(function, arguments);
        }
        Some(match value {
            Value::Array(items) => items.iter().filter_map(|item| self.resolve(item)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter().filter_map(|(name, field)| Some((name.clone(), self.resolve(field)?)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            other => other.clone(),
        })
    }

    fn call(&self, function: &str, arguments: &Value) -> Option<Value> {
        let item = |index: usize| self.resolve(&arguments[index]).unwrap();
        Some(match function {
            "Ref" if arguments == "AWS::NoValue" => return None,
            "Ref" => self.reference(arguments.as_str().unwrap()),
            "Fn::GetAtt" => json!(self.attribute(arguments)),
            "Fn::If" => {
                let chosen = if self.holds(arguments[0].as_str().unwrap()) { 1 } else { 2 };
                return self.resolve(&arguments[chosen]);
            }
            "Fn::Sub" => json!(self.substitute(arguments)),
            "Fn::Join" => {
                let parts = item(1);
                let parts: Vec<String> = parts.as_array().unwrap().iter().map(|part| self.text(part)).collect();
                json!(parts.join(item(0).as_str().unwrap()))
            }
            "Fn::Split" => json!(self.text(&arguments[1]).split(item(0).as_str().unwrap()).collect::<Vec<_>>()),
            "Fn::Select" => {
                let index = item(0);
                let index = index.as_u64().or_else(|| index.as_str()?.parse().ok()).unwrap();
                item(1)[usize::try_from(index).unwrap()].clone()
            }
            other => panic!("the test does not know {other}"),
        })
    }

    fn text(&self, value: &Value) -> String {
        match self.resolve(value).unwrap() {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    fn reference(&self, name: &str) -> Value {
        let pseudo = match name {
            "AWS::Region" => REGION,
            "AWS::AccountId" => ACCOUNT,
            "AWS::Partition" => "aws",
            "AWS::StackName" => STACK,
            "AWS::URLSuffix" => "amazonaws.com",
            _ => return self.parameters.get(name).cloned().unwrap_or_else(|| json!(self.name_of(name))),
        };
        json!(pseudo)
    }

    /// What a resource is called.
    fn name_of(&self, resource: &str) -> String {
        let properties = &self.template["Resources"][resource]["Properties"];
        let names = ["FunctionName", "RoleName", "QueueName", "LogGroupName", "BucketName", "AlarmName", "Name"];
        let name = names.iter().find_map(|name| properties.get(name));
        name.map_or_else(|| resource.to_owned(), |name| self.text(name))
    }

    fn attribute(&self, of: &Value) -> String {
        let path = of.as_array().map_or_else(
            || of.as_str().unwrap().to_owned(),
            |parts| parts.iter().map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join("."),
        );
        let (resource, attribute) = path.split_once('.').unwrap();
        let (name, here) = (self.name_of(resource), format!("{REGION}:{ACCOUNT}"));
        match (self.template["Resources"][resource]["Type"].as_str().unwrap(), attribute) {
            ("AWS::Serverless::Function", "Arn") => format!("arn:aws:lambda:{here}:function:{name}"),
            ("AWS::IAM::Role", "Arn") => format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
            ("AWS::SQS::Queue", "Arn") => format!("arn:aws:sqs:{here}:{name}"),
            ("AWS::SQS::Queue", "QueueName") => name,
            ("AWS::Logs::LogGroup", "Arn") => format!("arn:aws:logs:{here}:log-group:{name}:*"),
            ("AWS::Events::Rule", "Arn") => format!("arn:aws:events:{here}:rule/{name}"),
            (kind, attribute) => format!("arn:aws:{kind}:{here}:{resource}/{attribute}"),
        }
    }

    fn substitute(&self, arguments: &Value) -> String {
        let (text, own) = match arguments {
            Value::Array(both) => (both[0].as_str().unwrap(), both[1].as_object().cloned().unwrap_or_default()),
            text => (text.as_str().unwrap(), Map::new()),
        };
        let mut done = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').unwrap();
            done.push_str(before);
            match (name.strip_prefix('!'), own.get(name), name.contains('.')) {
                (Some(literal), ..) => done.extend(["${", literal, "}"]),
                (None, Some(value), _) => done.push_str(&self.text(value)),
                (None, None, true) => done.push_str(&self.attribute(&json!(name))),
                (None, None, false) => done.push_str(&self.text(&json!({"Ref": name}))),
            }
            rest = after;
        }
        done + rest
    }
}

/// The one field of an object that has only one.
fn only(value: &Value) -> Option<(&str, &Value)> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    fields.iter().next().map(|(name, value)| (name.as_str(), value))
}
