//! Which calls to a Canton participant may be done again on another of its replicas, once they may have been done.
//!
//! Reading twice is reading once, so what is known to read may be. A command may be only where the participant itself sees
//! that it had it before: it remembers the *change* (the user, the parties acted for, the command id) for the command's
//! deduplication period, in the database that its replicas share, and refuses the second. Whatever is not known to be either
//! (parties allocated, packages uploaded, prepared submissions, what a later version brings) is done once.

use std::time::Duration;

/// What a call is to a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// It changes nothing.
    Read,
    /// It submits commands, in messages of this layout.
    Command(Layout),
    /// It may do anything.
    Other,
}

/// Where the parts of a submission are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `com.daml.ledger.api.v1.Commands`
    V1,
    /// `com.daml.ledger.api.v2.Commands`
    V2,
}

impl Call {
    /// Of the path as the node gets it: `/package.Service/Method`.
    #[must_use]
    pub fn of(path: &[u8]) -> Self {
        let found = [(V1, Layout::V1), (V2, Layout::V2)]
            .into_iter()
            .find_map(|(package, layout)| path.strip_prefix(package).map(|rest| (rest, layout)));
        let Some((rest, layout)) = found else { return Self::Other };
        if SUBMISSIONS.contains(&rest) {
            return Self::Command(layout);
        }
        let mut words = rest.splitn(2, |byte| *byte == b'/');
        let (service, method) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let reads = READS.iter().any(|(known, methods)| known.as_bytes() == service && has_word(methods, method));
        if reads { Self::Read } else { Self::Other }
    }
}

/// Whether a participant that had the submission in `body` before sees so, when it comes again at most `later` after the
/// first time. `body` is that of the whole request: one message in its envelope. What cannot be read in one way only is
/// not known to be seen.
#[must_use]
pub fn is_recognised(layout: Layout, body: &[u8], later: Duration) -> bool {
    recognised(layout, body, later).unwrap_or(false)
}

/// Whether what a node says of an answer with status `UNAVAILABLE` means that it is the passive one of its replicas.
/// `details` is the field `grpc-status-details-bin` as it came.
#[must_use]
pub fn is_passive(message: &[u8], details: &[u8]) -> bool {
    let said = |text: &[u8]| PASSIVE.iter().any(|code| text.starts_with(code.as_bytes()));
    said(message) || decode(details).is_some_and(|details| PASSIVE_CODES.iter().any(|code| has_text(&details, code)))
}

fn recognised(layout: Layout, body: &[u8], later: Duration) -> Option<bool> {
    let message = enveloped(body)?;
    let commands = only(message, 1)?;
    let (id, durations, offset): (u64, &[u64], u64) = match layout {
        Layout::V1 => (4, &[9, 15], 16),
        Layout::V2 => (3, &[5], 6),
    };
    let mut period = Period::Longest;
    let mut has_id = false;
    let mut rest = commands;
    while let Some((field, value)) = next_field(&mut rest)? {
        let is_period = field == offset || durations.contains(&field);
        if (is_period && period != Period::Longest) || (field == id && has_id) {
            return None;
        }
        match value {
            Value::Bytes(bytes) if field == id => has_id = !bytes.is_empty(),
            Value::Bytes(bytes) if durations.contains(&field) => period = Period::Last(duration(bytes)?),
            // From an offset on, which may lie behind the first try: one that is wrong, or of a ledger whose end was lost since.
            _ if field == id || is_period => return None,
            _ => {}
        }
    }
    Some(has_id && period.reaches(later))
}

/// For how long a participant remembers a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Period {
    /// As it is configured, which is for days.
    Longest,
    /// For so long.
    Last(Duration),
}

impl Period {
    fn reaches(self, later: Duration) -> bool {
        match self {
            Self::Longest => true,
            Self::Last(period) => period > later.saturating_add(MARGIN),
        }
    }
}

/// The one message of a body, where it is not compressed.
fn enveloped(body: &[u8]) -> Option<&[u8]> {
    let (head, message) = body.split_first_chunk::<5>()?;
    let [0, length @ ..] = *head else { return None };
    (u32::from_be_bytes(length) as usize == message.len()).then_some(message)
}

/// The field of this number in a message that has it once, as bytes.
fn only(message: &[u8], number: u64) -> Option<&[u8]> {
    let mut found = None;
    let mut rest = message;
    while let Some((field, value)) = next_field(&mut rest)? {
        match value {
            Value::Bytes(bytes) if field == number && found.is_none() => found = Some(bytes),
            _ if field == number => return None,
            _ => {}
        }
    }
    found
}

/// A `google.protobuf.Duration` that is not negative.
fn duration(message: &[u8]) -> Option<Duration> {
    let (mut seconds, mut nanos) = (None, None);
    let mut rest = message;
    while let Some((field, value)) = next_field(&mut rest)? {
        let place = match field {
            1 => &mut seconds,
            2 => &mut nanos,
            _ => return None,
        };
        match value {
            Value::Number(number) if place.is_none() => *place = Some(number),
            _ => return None,
        }
    }
    let seconds = i64::try_from(seconds.unwrap_or(0)).ok()?;
    let nanos = u32::try_from(nanos.unwrap_or(0)).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(u64::try_from(seconds).ok()?, nanos))
}

/// A field's value, as far as it matters here.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// Takes the next field of a message. The outer `None` is a message that is broken or has what nobody writes any more,
/// the inner one is its end.
#[expect(clippy::option_option, reason = "the two mean different things, and `?` takes the outer one")]
fn next_field<'a>(rest: &mut &'a [u8]) -> Option<Option<(u64, Value<'a>)>> {
    if rest.is_empty() {
        return Some(None);
    }
    let tag = tag(rest)?;
    let mut skip = |count: usize| {
        let (taken, left) = rest.split_at_checked(count)?;
        *rest = left;
        Some(taken)
    };
    let value = match tag & 7 {
        0 => Value::Number(varint(rest)?),
        1 => skip(8).map(|_| Value::Fixed)?,
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            let (taken, left) = rest.split_at_checked(length)?;
            *rest = left;
            Value::Bytes(taken)
        }
        5 => skip(4).map(|_| Value::Fixed)?,
        _ => return None,
    };
    Some(Some((u64::from(tag >> 3), value)))
}

/// A field's number and type, as every reader sees them: of what does not fit 32 bits, is written longer than it needs to be
/// or names field 0, some take a part and others refuse all.
fn tag(rest: &mut &[u8]) -> Option<u32> {
    let before = rest.len();
    let tag = u32::try_from(varint(rest)?).ok()?;
    let needed = (u32::BITS - tag.leading_zeros()).div_ceil(7).max(1);
    let is_exact = before - rest.len() == needed as usize;
    (is_exact && tag >> 3 != 0).then_some(tag)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (byte, left) = rest.split_first()?;
        *rest = left;
        let bits = u64::from(byte & 0x7F);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Undoes base64, with or without padding.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let (mut bits, mut count) = (0u32, 0);
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for letter in text.iter().filter(|letter| **letter != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xFF).ok()?);
        }
    }
    Some(out)
}

fn has_text(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn has_word(words: &str, word: &[u8]) -> bool {
    words.split(' ').any(|known| known.as_bytes() == word)
}

/// A node may take a command and be stopped before it looks whether it had it before. An hour is more than anybody waits for
/// an answer; a period that is shorter is the client's way to say that it wants to try again itself.
const MARGIN: Duration = Duration::from_secs(3600);

const V1: &[u8] = b"/com.daml.ledger.api.v1.";
const V2: &[u8] = b"/com.daml.ledger.api.v2.";

/// Calls whose one message has `Commands` as its field 1.
const SUBMISSIONS: &[&[u8]] = &[
    b"CommandService/SubmitAndWait",
    b"CommandService/SubmitAndWaitForTransaction",
    b"CommandService/SubmitAndWaitForTransactionId",
    b"CommandService/SubmitAndWaitForTransactionTree",
    b"CommandService/SubmitAndWaitForUpdateId",
    b"CommandSubmissionService/Submit",
];

/// Services of the Ledger API, versions 1 and 2, and their methods that change nothing.
const READS: &[(&str, &str)] = &[
    ("ActiveContractsService", "GetActiveContracts"),
    ("CommandCompletionService", "CompletionStream CompletionEnd"),
    ("ContractService", "GetContract"),
    ("EventQueryService", "GetEventsByContractId GetEventsByContractKey"),
    ("LedgerConfigurationService", "GetLedgerConfiguration"),
    ("LedgerIdentityService", "GetLedgerIdentity"),
    ("PackageService", "ListPackages GetPackage GetPackageStatus ListVettedPackages"),
    (
        "StateService",
        "GetActiveContracts GetConnectedSynchronizers GetConnectedDomains GetLedgerEnd GetLatestPrunedOffsets",
    ),
    (
        "TransactionService",
        "GetTransactions GetTransactionTrees GetTransactionByEventId GetTransactionById GetFlatTransactionByEventId \
         GetFlatTransactionById GetLedgerEnd GetLatestPrunedOffsets",
    ),
    (
        "UpdateService",
        "GetUpdates GetUpdateTrees GetUpdateByOffset GetUpdateById GetTransactionByEventId GetTransactionById \
         GetTransactionByOffset GetTransactionTreeByEventId GetTransactionTreeById GetTransactionTreeByOffset",
    ),
    ("VersionService", "GetLedgerApiVersion"),
    ("admin.ConfigManagementService", "GetTimeModel"),
    ("admin.IdentityProviderConfigService", "GetIdentityProviderConfig ListIdentityProviderConfigs"),
    ("admin.MeteringReportService", "GetMeteringReport"),
    ("admin.PackageManagementService", "ListKnownPackages"),
    ("admin.PartyManagementService", "GetParticipantId GetParties ListKnownParties"),
    ("admin.UserManagementService", "GetUser ListUsers ListUserRights"),
    ("interactive.InteractiveSubmissionService", "GetPreferredPackageVersion GetPreferredPackages"),
    ("testing.TimeService", "GetTime"),
];

/// Codes of Canton's errors by which a replica says that it is passive.
const PASSIVE_CODES: &[&str] = &["NODE_IS_PASSIVE_REPLICA", "SYNC_SERVICE_PASSIVE_REPLICA"];
/// How a message begins that says so.
const PASSIVE: &[&str] = &["NODE_IS_PASSIVE_REPLICA(", "SYNC_SERVICE_PASSIVE_REPLICA(", "Node is passive"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn calls_are_known_by_their_path() {
        use Call::{Command, Other, Read};
        for (path, expect) in [
            ("/com.daml.ledger.api.v2.UpdateService/GetUpdates", Read),
            ("/com.daml.ledger.api.v2.StateService/GetConnectedDomains", Read),
            ("/com.daml.ledger.api.v1.TransactionService/GetFlatTransactionById", Read),
            ("/com.daml.ledger.api.v1.admin.PartyManagementService/ListKnownParties", Read),
            ("/com.daml.ledger.api.v1.admin.PartyManagementService/AllocateParty", Other),
            ("/com.daml.ledger.api.v2.PartyManagementService/ListKnownParties", Other),
            ("/com.daml.ledger.api.v1.CommandService/SubmitAndWait", Command(Layout::V1)),
            ("/com.daml.ledger.api.v2.CommandSubmissionService/Submit", Command(Layout::V2)),
            ("/com.daml.ledger.api.v2.CommandSubmissionService/SubmitReassignment", Other),
            ("/com.daml.ledger.api.v2.interactive.InteractiveSubmissionService/ExecuteSubmission", Other),
            ("/com.daml.ledger.api.v3.UpdateService/GetUpdates", Other),
            ("/com.daml.ledger.api.v2.UpdateService/", Other),
            ("/com.daml.ledger.api.v2.UpdateService/GetUpdates/", Other),
            ("/com.daml.ledger.api.v2.UpdateService/GetUpdates?a", Other),
            ("/com.daml.ledger.api.v2.UpdateService", Other),
            ("/com.daml.ledger.api.v2./", Other),
            ("", Other),
        ] {
            assert_eq!(Call::of(path.as_bytes()), expect, "{path}");
        }
    }

    fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
        let tag = if field < 16 { vec![field << 3 | 2] } else { vec![field << 3 | 2 | 0x80, field >> 4] };
        [&tag[..], &[u8::try_from(value.len()).unwrap()], value].concat()
    }

    fn body(message: &[u8]) -> Vec<u8> {
        [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
    }

    fn submission(parts: &[Vec<u8>]) -> Vec<u8> {
        body(&bytes(1, &parts.concat()))
    }

    #[test]
    fn a_submission_is_recognised_by_its_command_id() {
        let (id1, id2) = (bytes(4, b"pay-1"), bytes(3, b"pay-1"));
        let day = [0x08, 0x80, 0xA3, 0x05];
        let minute = [0x08, 60];
        let number = |tag: u8| vec![tag, 7];
        for (layout, body, expect) in [
            (Layout::V1, submission(&[bytes(3, b"app"), id1.clone(), bytes(8, b"...")]), true),
            (Layout::V2, submission(&[id2.clone(), bytes(4, b"...")]), true),
            // None, or an empty one.
            (Layout::V1, submission(&[bytes(3, b"app"), bytes(8, b"...")]), false),
            (Layout::V2, submission(&[bytes(3, b""), bytes(4, b"...")]), false),
            // Remembered for long enough, or not.
            (Layout::V1, submission(&[id1.clone(), bytes(15, &day)]), true),
            (Layout::V1, submission(&[id1.clone(), bytes(9, &day)]), true),
            (Layout::V2, submission(&[id2.clone(), bytes(5, &day)]), true),
            (Layout::V1, submission(&[id1.clone(), bytes(15, &minute)]), false),
            (Layout::V1, submission(&[id1.clone(), bytes(9, &minute)]), false),
            (Layout::V2, submission(&[bytes(5, &minute), id2.clone()]), false),
            (Layout::V2, submission(&[id2.clone(), bytes(5, b"")]), false),
            // From an offset on, as text or as a number: it may lie ahead.
            (Layout::V1, submission(&[id1.clone(), bytes(16, b"0012")]), false),
            (Layout::V2, submission(&[id2.clone(), number(0x30)]), false),
            // What can be read in two ways.
            (Layout::V2, submission(&[id2.clone(), id2.clone()]), false),
            (Layout::V2, submission(&[id2.clone(), bytes(5, &day), bytes(5, &day)]), false),
            (Layout::V2, submission(&[id2.clone(), number(0x18)]), false),
            (Layout::V2, body(&[bytes(1, &id2), bytes(1, &id2)].concat()), false),
            // What is compressed, cut, or more than one message.
            (Layout::V2, [&[1][..], &submission(std::slice::from_ref(&id2))[1..]].concat(), false),
            (Layout::V2, submission(std::slice::from_ref(&id2))[..9].to_vec(), false),
            (Layout::V2, submission(std::slice::from_ref(&id2)).repeat(2), false),
            (Layout::V2, Vec::new(), false),
        ] {
            assert_eq!(is_recognised(layout, &body, Duration::from_secs(30)), expect, "{layout:?} {body:?}");
        }
        let body = submission(&[id2, bytes(5, &day)]);
        assert!(!is_recognised(Layout::V2, &body, Duration::from_secs(86400)));
        assert!(!is_recognised(Layout::V2, &body, Duration::MAX));
    }

    #[test]
    fn a_period_or_a_body_that_is_not_wholly_understood_is_not_relied_on() {
        let id = bytes(3, b"pay-1");
        let day = [0x08, 0x80, 0xA3, 0x05];
        let negative = [&[0x08][..], &[0xFF; 9], &[0x01]].concat();
        let of = |period: &[u8]| submission(&[id.clone(), bytes(5, period)]);
        for (body, expect) in [
            (of(&day), true),
            (of(&negative), false),
            (of(&[&day[..], &[0x18, 1]].concat()), false),
            // Bytes behind the message that the envelope holds, which read as a field of it.
            ([of(&day), bytes(2, b"more")].concat(), false),
        ] {
            assert_eq!(is_recognised(Layout::V2, &body, Duration::ZERO), expect, "{body:02X?}");
        }
    }

    /// A reader that drops what is above 32 bits, or that takes a longer tag for the short one, would see another period.
    #[test]
    fn what_another_reader_may_see_otherwise_is_not_recognised() {
        let id = bytes(3, b"pay-1");
        let with = |tag: &[u8], value: &[u8]| {
            is_recognised(Layout::V2, &submission(&[id.clone(), [tag, value].concat()]), Duration::ZERO)
        };
        for (tag, value, expect) in [
            // Field 4, and the highest there is.
            (&[0x22][..], &[0][..], true),
            (&[0xFA, 0xFF, 0xFF, 0xFF, 0x0F], &[0], true),
            // Field 5 and 2^32: some see a period of no time.
            (&[0xAA, 0x80, 0x80, 0x80, 0x10], &[0], false),
            (&[0xA2, 0x80, 0x80, 0x80, 0x10], &[0], false),
            (&[0xA2, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], &[0], false),
            // Longer than it needs to be.
            (&[0xA2, 0x00], &[0], false),
            (&[0xAA, 0x80, 0x00], &[0], false),
            // Field 0.
            (&[0x02], &[0], false),
            (&[0x00], &[7], false),
        ] {
            assert_eq!(with(tag, value), expect, "{tag:02X?}");
        }
        assert!(!is_recognised(Layout::V2, &body(&[&[0x8A, 0x00, 7][..], &id].concat()), Duration::ZERO));
    }

    #[test]
    fn passive_replicas_say_so() {
        let text = "CkNOT0RFX0lTX1BBU1NJVkVfUkVQTElDQSgxLGFiYyk6IENhbm5vdA";
        for (message, details, expect) in [
            ("NODE_IS_PASSIVE_REPLICA(1,abc): Cannot process submitted command.", "", true),
            ("SYNC_SERVICE_PASSIVE_REPLICA(1,0): ...", "", true),
            ("Node is passive", "", true),
            ("", text, true),
            ("", "CkNBQkM", false),
            ("", "!!!", false),
            ("the command NODE_IS_PASSIVE_REPLICA(", "", false),
            ("", "", false),
        ] {
            assert_eq!(is_passive(message.as_bytes(), details.as_bytes()), expect, "{message} {details}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(body in prop::collection::vec(any::<u8>(), 0..200), path in ".{0,60}") {
            let _ = Call::of(path.as_bytes());
            let _ = is_recognised(Layout::V1, &body, Duration::ZERO);
            let _ = is_passive(&body, &body);
        }

        /// However a good submission is cut or changed in one byte of its id's tag, nothing panics, and a prefix is never
        /// taken for the whole.
        #[test]
        fn a_part_is_never_recognised(cut in 0usize..16) {
            let whole = submission(&[bytes(3, b"pay-1"), bytes(4, b"...")]);
            prop_assert!(is_recognised(Layout::V2, &whole, Duration::ZERO));
            prop_assert!(!is_recognised(Layout::V2, &whole[..cut.min(whole.len() - 1)], Duration::ZERO));
        }
    }
}
