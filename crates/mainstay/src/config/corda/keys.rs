//! Every setting of a node.conf, and what becomes of it.

use super::node::Node;
use crate::config::fault::did_you_mean;
use crate::config::hocon::Data;

/// Tells of settings that an operator should know about, and of those that nobody knows.
pub(super) fn check(node: &mut Node<'_>) {
    let object = node.object;
    for entry in &object.fields {
        let name = entry.name.as_str();
        if READ.contains(&name) || OWN.contains(&name) {
            continue;
        }
        if let Some((_, why)) = TOLD.iter().find(|(told, _)| *told == name) {
            node.note(entry.span, format!("`{name}`: {why}"));
            continue;
        }
        let known = READ.iter().chain(OWN).chain(TOLD.iter().map(|(told, _)| told)).copied();
        let fault = node.fault(entry.span, format!("Corda has no setting `{name}`"));
        match did_you_mean(name, known) {
            Some(guess) => fault.help(format!("did you mean `{guess}`?")),
            None => fault.help("leave it out: the node itself refuses to start with it"),
        };
    }
    enterprise(node);
    development(node);
    arguments(node);
}

fn enterprise(node: &mut Node<'_>) {
    let Some(Data::Object(object)) = node.at(&["enterpriseConfiguration"]).map(|value| &value.data) else { return };
    for entry in object.fields.iter().filter(|entry| entry.name != "mutualExclusionConfiguration") {
        let name = &entry.name;
        if name == "externalBridge" && entry.value.text().as_deref() == Some("true") {
            let message = "peers come through an external bridge, which goes to the node's broker";
            node.note(entry.span, message).help("have the bridge connect to the listener `p2p` instead");
        } else if name != "externalBridge" {
            node.note(entry.span, format!("`enterpriseConfiguration.{name}` stays the node's own business"));
        }
    }
}

fn development(node: &mut Node<'_>) {
    if let Some(flag) = node.flag(&["devMode"]).filter(|flag| flag.value) {
        node.note(flag.span, "`devMode`: the certificates are ones that everybody has; for trials only");
    }
}

fn arguments(node: &mut Node<'_>) {
    let Some(value) = node.at(&["custom", "jvmArgs"]) else { return };
    let Data::List(list) = &value.data else { return };
    if !list.iter().filter_map(|argument| argument.text()).any(|text| text.starts_with("-Xmx")) {
        let message = "`custom.jvmArgs` takes the place of Corda's own arguments, its memory limit among them";
        node.note(value.span, message).help("add \"-Xmx512m\" and \"-XX:+UseG1GC\", or what the node needs");
    }
}

/// Settings by which a node.conf is told from other files.
pub(super) const TELLING: [&str; 8] = [
    "dataSourceProperties",
    "enterpriseConfiguration",
    "messagingServerAddress",
    "myLegalName",
    "networkServices",
    "p2pAddress",
    "rpcSettings",
    "rpcUsers",
];

/// Settings that are read here.
const READ: &[&str] = &[
    "baseDirectory",
    "custom",
    "dataSourceProperties",
    "devMode",
    "enterpriseConfiguration",
    "messagingServerAddress",
    "messagingServerExternal",
    "myLegalName",
    "p2pAddress",
    "rpcAddress",
    "rpcSettings",
    "webAddress",
];

/// Settings that concern the node alone.
const OWN: &[&str] = &[
    "attachmentContentCacheSizeMegaBytes",
    "blacklistedAttachmentSigningKeys",
    "certificateChainCheckPolicies",
    "compatibilityZoneURL",
    "cordappDirectories",
    "cordappSignerKeyFingerprintBlacklist",
    "crlCheckArtemisServer",
    "crlCheckSoftFail",
    "cryptoServiceConf",
    "cryptoServiceName",
    "cryptoServiceTimeout",
    "database",
    "detectPublicIp",
    "devModeOptions",
    "emailAddress",
    "extraNetworkMapKeys",
    "flowExternalOperationThreadPoolSize",
    "flowMonitorPeriodMillis",
    "flowMonitorSuspensionLoggingThresholdMillis",
    "flowOverrides",
    "flowTimeout",
    "freshIdentitiesConfiguration",
    "jarDirs",
    "jmxReporterType",
    "keyStorePassword",
    "lazyBridgeStart",
    "localShellAllowExitInSafeMode",
    "localShellUnsafe",
    "networkParameterAcceptanceSettings",
    "networkParametersPath",
    "networkServices",
    "noLocalShell",
    "notary",
    "quasarExcludePackages",
    "reloadCheckpointAfterSuspend",
    "rpcUsers",
    "security",
    "systemProperties",
    "telemetry",
    "tlsCertCrlDistPoint",
    "tlsCertCrlIssuer",
    "tlsKeyAlias",
    "transactionCacheSizeMegaBytes",
    "trustStorePassword",
    "useOpenSsl",
    "useTestClock",
    "verifierType",
];

/// Settings that concern the node alone, and what an operator should know of them.
const TOLD: &[(&str, &str)] = &[
    ("additionalP2PAddresses", "peers are told these addresses too; no listener is made for them"),
    ("h2Settings", "each node listens there for itself; it is not put behind the front"),
    ("h2port", "each node listens there for itself; it is not put behind the front"),
    ("jmxMonitoringHttpPort", "each node listens there for itself; it is not put behind the front"),
    ("sshd", "each node's shell stays its own; it is not put behind the front"),
];
