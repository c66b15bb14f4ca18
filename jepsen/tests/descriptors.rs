//! Compares the .proto files of etcd's API with the descriptors that are compiled into etcd's own Go modules.
#![cfg(test)]

use std::path::Path;
use std::process::Command;

use naxos_jepsen::servers::Server;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};

const FILES: [&str; 5] = ["kv.proto", "auth.proto", "rpc.proto", "v3lock.proto", "v3election.proto"];

#[test]
fn the_api_has_the_names_numbers_and_types_of_etcds_own_module() {
    let Some(program) = Server::EtcdDescriptors.executable() else { return };
    let output = Command::new(program).output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<String> = String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect();
    assert!(theirs.len() > 400, "etcd's module describes its whole API, got {} facts", theirs.len());
    let ours = our_facts();
    let missing: Vec<_> = theirs.iter().filter(|fact| !ours.contains(fact)).collect();
    let added: Vec<_> = ours.iter().filter(|fact| !theirs.contains(fact)).collect();
    assert!(missing.is_empty() && added.is_empty(), "only etcd has: {missing:#?}\nonly Naxos has: {added:#?}");
}

fn our_facts() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/proto/etcd");
    let files = protox::compile(FILES, [folder]).expect("our files compile");
    let mut facts: Vec<String> = files.file.iter().flat_map(file_facts).collect();
    facts.sort();
    facts
}

fn file_facts(file: &FileDescriptorProto) -> Vec<String> {
    let package = file.package();
    let mut facts = vec![format!("package {package} {}", file.syntax())];
    facts.extend(file.message_type.iter().flat_map(|m| message_facts(package, m)));
    facts.extend(file.enum_type.iter().flat_map(|e| enum_facts(package, e)));
    for service in &file.service {
        facts.push(format!("service {package}.{}", service.name()));
        facts.extend(service.method.iter().map(|m| {
            let (name, input, output) = (m.name(), m.input_type(), m.output_type());
            let (sends_many, answers_many) = (m.client_streaming(), m.server_streaming());
            format!("method {package}.{}.{name} {input} {sends_many} {output} {answers_many}", service.name())
        }));
    }
    facts
}

fn message_facts(scope: &str, message: &DescriptorProto) -> Vec<String> {
    let name = format!("{scope}.{}", message.name());
    let mut facts = vec![format!("message {name}")];
    for field in &message.field {
        let oneof = field.oneof_index.map_or("-", |index| message.oneof_decl[index as usize].name());
        let type_name = field.type_name.as_deref().unwrap_or("-");
        facts.push(format!(
            "field {name}.{} {} label={} type={} {type_name} oneof={oneof}",
            field.name(),
            field.number(),
            field.label.unwrap_or_default(),
            field.r#type.unwrap_or_default(),
        ));
    }
    facts.extend(message.nested_type.iter().flat_map(|m| message_facts(&name, m)));
    facts.extend(message.enum_type.iter().flat_map(|e| enum_facts(&name, e)));
    facts
}

fn enum_facts(scope: &str, definition: &EnumDescriptorProto) -> Vec<String> {
    let name = format!("{scope}.{}", definition.name());
    let mut facts = vec![format!("enum {name}")];
    facts.extend(definition.value.iter().map(|v| format!("value {name}.{} {}", v.name(), v.number())));
    facts
}
