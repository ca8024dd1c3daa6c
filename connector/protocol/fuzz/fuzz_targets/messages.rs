//! Every message of the Dataspace Protocol: the first byte says which; what is read is written, and read again, as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use naru_protocol::{
    dsp::{
        Message, VersionResponse,
        catalog::{Catalog, CatalogError, CatalogRequestMessage, Dataset, DatasetRequestMessage},
        datetime::{parse_date_time, to_date_time},
        negotiation::{
            ContractAgreementMessage, ContractAgreementVerificationMessage, ContractNegotiation,
            ContractNegotiationEventMessage, ContractNegotiationTerminationMessage, ContractOfferMessage,
            ContractRequestMessage, End,
        },
        odrl::{Agreement, Offer},
        transfer::{
            TransferCompletionMessage, TransferProcess, TransferRequestMessage, TransferStartMessage,
        },
    },
    json::parse_lenient,
};
use naru_protocol_fuzz as _;

fn message<M: Message>(bytes: &[u8]) {
    if let Ok(read) = M::parse(bytes) {
        let written = read.to_bytes().expect("what was read can be written");
        let again = M::parse(&written).expect("what was written can be read");
        assert_eq!(again.to_bytes().as_deref().ok(), Some(written.as_slice()));
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else { return };
    match which % 18 {
        0 => message::<ContractRequestMessage>(bytes),
        1 => message::<ContractOfferMessage>(bytes),
        2 => message::<ContractAgreementMessage>(bytes),
        3 => message::<ContractAgreementVerificationMessage>(bytes),
        4 => message::<ContractNegotiationEventMessage>(bytes),
        5 => message::<ContractNegotiationTerminationMessage>(bytes),
        6 => message::<ContractNegotiation>(bytes),
        7 => message::<TransferRequestMessage>(bytes),
        8 => message::<TransferStartMessage>(bytes),
        9 => message::<TransferCompletionMessage>(bytes),
        10 => message::<TransferProcess>(bytes),
        11 => message::<CatalogRequestMessage>(bytes),
        12 => message::<DatasetRequestMessage>(bytes),
        13 => {
            message::<Catalog>(bytes);
            let _ = Catalog::parse_each(bytes);
        }
        14 => message::<Dataset>(bytes),
        15 => message::<CatalogError>(bytes),
        16 => {
            let _ = (VersionResponse::parse(bytes), End::parse(bytes));
            if let Ok(value) = parse_lenient(bytes) {
                let _ = (Offer::from_value(value.clone()), Agreement::from_value(value));
            }
        }
        _ => {
            if let Some(at) = std::str::from_utf8(bytes).ok().and_then(parse_date_time) {
                // A zone can carry the last day of 9999 into a year that has no text.
                if let Some(text) = to_date_time(at) {
                    assert_eq!(parse_date_time(&text), Some(at));
                }
            }
        }
    }
});
