//! What is written into certificates and lists.

use aws_lc_rs::rand;
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DistinguishedName, DnType, IsCa,
    KeyUsagePurpose, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use crate::register::Settings;
use crate::{Error, KeyKind, Name, Profile, Subject};

/// Of the root or the intermediate.
pub(crate) fn authority(
    settings: &Settings,
    common_name: &str,
    days: u32,
    depth: Option<u8>,
    now: OffsetDateTime,
) -> Result<CertificateParams, Error> {
    let mut params = base(&settings.subject, common_name, days, now)?;
    params.is_ca = IsCa::Ca(depth.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// Of what an intermediate signs.
pub(crate) fn leaf(
    settings: &Settings,
    profile: Profile,
    key: KeyKind,
    common_name: &str,
    names: &[Name],
    days: u32,
    now: OffsetDateTime,
) -> Result<CertificateParams, Error> {
    let mut params = base(&settings.subject, common_name, days, now)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = profile.usages(key);
    params.extended_key_usages = profile.extended_usages();
    params.subject_alt_names = names.iter().map(Name::to_san).collect::<Result<_, _>>()?;
    if let Some(url) = &settings.crl_url {
        params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![url.clone()] }];
    }
    if let Some(url) = &settings.ocsp_url {
        params.custom_extensions.push(ocsp(url));
    }
    Ok(params)
}

/// 16 random bytes, the first of which is neither zero nor has its top bit: as long as RFC 5280 (4.1.2.2) lets any
/// program expect, and never negative.
pub(crate) fn serial() -> Result<SerialNumber, Error> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| Error::refused("the system has no randomness to give"))?;
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn base(subject: &Subject, common_name: &str, days: u32, now: OffsetDateTime) -> Result<CertificateParams, Error> {
    if common_name.is_empty() || common_name.len() > LONGEST_COMMON_NAME {
        return Err(Error::refused(format!(
            "`{common_name}` cannot be a common name: 1 to {LONGEST_COMMON_NAME} bytes (RFC 5280, A.1)"
        )));
    }
    if !(1..=LONGEST_DAYS).contains(&days) {
        return Err(Error::refused(format!("valid for {days} days: 1 to {LONGEST_DAYS} are possible")));
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished(subject, common_name)?;
    params.serial_number = Some(serial()?);
    // In whole seconds, as certificates have them.
    let now = now.replace_nanosecond(0).unwrap_or(now);
    params.not_before = now - LENIENCE;
    params.not_after = now + Duration::days(i64::from(days));
    Ok(params)
}

fn distinguished(subject: &Subject, common_name: &str) -> Result<DistinguishedName, Error> {
    let mut name = DistinguishedName::new();
    if let Some(country) = &subject.country {
        if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(Error::refused(format!("`{country}` is no country: two capital letters, as in GB")));
        }
        let printable = rcgen::string::PrintableString::try_from(country.as_str())
            .map_err(|error| Error::refused(format!("`{country}` is no country: {error}")))?;
        name.push(DnType::CountryName, rcgen::DnValue::PrintableString(printable));
    }
    if let Some(state) = &subject.state {
        name.push(DnType::StateOrProvinceName, state.as_str());
    }
    if let Some(organization) = &subject.organization {
        name.push(DnType::OrganizationName, organization.as_str());
    }
    name.push(DnType::CommonName, common_name);
    Ok(name)
}

/// Authority information access with one OCSP responder (RFC 5280, 4.2.2.1).
fn ocsp(url: &str) -> CustomExtension {
    let content = yasna::construct_der(|writer| {
        writer.write_sequence_of(|descriptions| {
            descriptions.next().write_sequence(|description| {
                description.next().write_oid(&yasna::models::ObjectIdentifier::from_slice(OCSP));
                description.next().write_tagged_implicit(yasna::Tag::context(6), |location| {
                    location.write_ia5_string(url);
                });
            });
        });
    });
    CustomExtension::from_oid_content(INFORMATION_ACCESS, content)
}

const INFORMATION_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
const OCSP: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1];

/// ub-common-name of RFC 5280, A.1.
const LONGEST_COMMON_NAME: usize = 64;

/// A hundred years; certificates can tell no time after the year 9999.
const LONGEST_DAYS: u32 = 36_500;

/// Certificates are valid from so long before they were made: clocks differ.
const LENIENCE: Duration = Duration::minutes(5);
