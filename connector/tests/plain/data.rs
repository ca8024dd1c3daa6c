//! Our data for a partner: under its token and no other, in ranges, for as long as the transfer runs (PLN-8.1, PLN-8.3, PLN-8.4,
//! PLN-8.6, PLN-8.8).

use std::{fs, sync::Arc, time::Duration};

use naru_protocol::encoding::Digest;
use serde_json::{Value, json};

use crate::common::{
    files,
    foreign::{Content, Desk, Foreign, Reply, Say, listen, uuid},
    harmless, policy_with, private,
    trade::{Market, PARTNER, Pull, address, content, publish_path},
    write_files,
};

async fn sold() -> (Market, String) {
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let (_, agreement) = market.partner.buys(&dataset).await;
    (market, agreement)
}

/// What a request for data without the right token is told, which is nothing.
fn nothing(reply: &Reply, why: &str) {
    assert_eq!(reply.status, 401, "{why}: {}", reply.text());
    assert_eq!(reply.json()["code"], json!("capability_invalid"), "{why}: {}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_served_and_resumed() {
    // PLN-8.3
    let (market, agreement) = sold().await;
    let partner = &market.partner;
    let pull = partner.pulls(&agreement).await;
    let all = content();
    let sha256 = Digest::of(&all);
    let tag = format!("\"{sha256}\"");
    let whole = pull.get(partner, &[]).await.taken(200, "the whole");
    assert_eq!(whole.header("etag"), Some(tag.as_str()));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert_eq!(whole.header("content-length"), Some(all.len().to_string().as_str()));
    let digest = {
        use base64ct::{Base64, Encoding as _};
        format!("sha-256=:{}:", Base64::encode_string(&sha256.0))
    };
    assert_eq!(whole.header("repr-digest"), Some(digest.as_str()));
    assert!(whole.body == all);
    let last = all.len() - 1;
    for (range, from, to) in [
        ("bytes=0-0", 0, 0),
        ("bytes=100-65635", 100, 65_635),
        ("bytes=1500000-", 1_500_000, last),
        ("bytes=-7", all.len() - 7, last),
        ("bytes=-99999999", 0, last),
        ("bytes=1599990-99999999", 1_599_990, last),
    ] {
        let part = pull.get(partner, &[("range", range)]).await.taken(206, range);
        assert_eq!(part.header("content-range"), Some(format!("bytes {from}-{to}/{}", all.len()).as_str()));
        assert!(part.body == all[from..=to], "{range}");
        assert_eq!(part.header("etag"), Some(tag.as_str()));
    }
    let resumed = pull.get(partner, &[("range", "bytes=10-"), ("if-range", &tag)]).await;
    assert!(resumed.taken(206, "the same content").body == all[10..]);
    let anew = pull.get(partner, &[("range", "bytes=10-"), ("if-range", "\"another\"")]).await;
    assert!(anew.taken(200, "another content").body == all);
    for range in ["bytes=1600000-", "bytes=9-3", "bytes=a-b", "bytes=-0"] {
        let reply = pull.get(partner, &[("range", range)]).await;
        assert_eq!(reply.status, 416, "{range}");
        assert_eq!(reply.header("content-range"), Some("bytes */1600000"), "{range}");
    }
    for range in ["bytes=0-1,5-6", "items=0-3"] {
        let whole = pull.get(partner, &[("range", range)]).await.taken(200, range);
        assert!(whole.body == all, "{range}");
    }
    let bearer = format!("Bearer {}", pull.token);
    let head = partner.call("HEAD", &pull.url, &[("authorization", &bearer)], Vec::new()).await;
    let head = head.taken(200, "HEAD");
    assert_eq!((head.body.len(), head.header("etag")), (0, Some(tag.as_str())));
    let bare = partner.call("GET", &pull.url, &[("authorization", &pull.token)], Vec::new()).await;
    assert!(bare.taken(200, "without `Bearer`, as Eclipse connectors send it").body == all);
    let post = partner.call("POST", &pull.url, &[("authorization", &bearer)], Vec::new()).await;
    assert_eq!(post.status, 401);
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_its_transfer_while_it_runs() {
    // PLN-8.1
    let (market, agreement) = sold().await;
    let partner = &market.partner;
    let (one, two) = (partner.pulls(&agreement).await, partner.pulls(&agreement).await);
    assert_ne!(one.token, two.token);
    let with = async |url: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        partner.call("GET", url, &[("authorization", &bearer), ("range", "bytes=0-3")], Vec::new()).await
    };
    assert_eq!(
        (with(&one.url, &one.token).await.status, with(&two.url, &two.token).await.status),
        (206, 206)
    );
    nothing(&with(&one.url, &two.token).await, "another transfer's token");
    nothing(&with(&one.url, "").await, "no token");
    nothing(&with(&one.url, &one.token[1..]).await, "half a token");
    nothing(&with(&one.url.replace("urn:dxp:", "urn:dxp:0"), &one.token).await, "no such transfer");
    nothing(&partner.call("GET", &one.url, &[], Vec::new()).await, "no header");
    let basic = [("authorization", "Basic Og==")];
    nothing(&partner.call("GET", &one.url, &basic, Vec::new()).await, "another scheme");
    // A negotiation's pid, and a signed one's would be, is no data.
    let door = market.firm.node().https_url().unwrap();
    nothing(&with(&format!("{door}/data/{}", two.pids.consumer), &two.token).await, "the consumer's pid");
    assert_eq!(
        with(&format!("{}/files/1", one.url), &one.token).await.status,
        404,
        "a file that is not there"
    );
    assert_eq!(with(&format!("{}/../x", one.url), &one.token).await.status / 100, 4);
    // Suspended it opens nothing; started again it does.
    one.says(partner, "suspension", "TransferSuspensionMessage").await.taken(200, "suspension");
    assert_eq!(one.state(partner).await, "SUSPENDED");
    nothing(&with(&one.url, &one.token).await, "suspended");
    one.says(partner, "start", "TransferStartMessage").await.taken(200, "start");
    assert_eq!(with(&one.url, &one.token).await.status, 206);
    one.says(partner, "termination", "TransferTerminationMessage").await.taken(200, "termination");
    nothing(&with(&one.url, &one.token).await, "terminated");
    two.says(partner, "completion", "TransferCompletionMessage").await.taken(200, "completion");
    nothing(&with(&two.url, &two.token).await, "completed");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_older_than_an_hour_at_no_time() {
    // PLN-8.1
    let mut market = Market::new().await;
    let dataset = market.dataset().await;
    let (_, agreement) = market.partner.buys(&dataset).await;
    let pull = market.partner.pulls(&agreement).await;
    pull.get(&market.partner, &[("range", "bytes=0-3")]).await.taken(206, "now");
    market.firm.stop().await;
    // As if the START had been an hour ago: the row says until when the token is good.
    let path = market.firm.dir.join("naru.db");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let until = "json_set(data, '$.token.until', json_extract(data, '$.token.until') - 3601)";
    let changed = sqlx::query(sqlx::AssertSqlSafe(format!(
        "UPDATE exchanges SET data = {until} WHERE kind = 'transfer'"
    )))
    .execute(&pool)
    .await
    .unwrap();
    assert_eq!(changed.rows_affected(), 1);
    pool.close().await;
    market.firm.open().await;
    let late = pull.get(&market.partner, &[]).await;
    assert_eq!((late.status / 100, late.json()["code"].clone()), (4, json!("capability_expired")));
    market.close().await;
}

/// Large enough that not all of it fits into buffers on the way.
const LARGE: u64 = 96 << 20;

/// A consumer that takes a first piece of the data and then pauses.
async fn begun(market: &Market, pull: &Pull) -> naru::transport::AnswerBody {
    let client = naru::transport::https::HttpsClient::new(naru::transport::Limits::default());
    let request = hyper::Request::get("/")
        .header("authorization", format!("Bearer {}", pull.token))
        .body(axum::body::Body::empty())
        .unwrap();
    let answer =
        client.request(&pull.url, request, &crate::common::foreign::reach(&market.firm)).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    assert!(body.chunk().await.unwrap().is_some());
    body
}

/// Reads to the end: bytes, and whether they came to a proper one.
async fn rest(mut body: naru::transport::AnswerBody) -> (u64, bool) {
    let mut bytes = 0;
    loop {
        match body.chunk().await {
            Ok(Some(piece)) => bytes += piece.len() as u64,
            Ok(None) => return (bytes, true),
            Err(_) => return (bytes, false),
        }
    }
}

async fn large() -> (Market, String) {
    let market = Market::new().await;
    let path = market.temp.join("large.bin");
    fs::File::create(&path).unwrap().set_len(LARGE).unwrap();
    let dataset = publish_path(&market.firm, path, policy_with("framework", None), harmless()).await;
    let (_, agreement) = market.partner.buys(&dataset).await;
    (market, agreement)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_under_way_ends_broken_when_it_may_not_go_on() {
    // PLN-7.3, PLN-8.1, PLN-8.4
    let (market, agreement) = large().await;
    let partner = &market.partner;
    // Suspension, termination and a stop order in the operator's facts.
    let (one, two, three) =
        (partner.pulls(&agreement).await, partner.pulls(&agreement).await, partner.pulls(&agreement).await);
    let streams = (begun(&market, &one).await, begun(&market, &two).await, begun(&market, &three).await);
    one.says(partner, "suspension", "TransferSuspensionMessage").await.taken(200, "suspension");
    two.says(partner, "termination", "TransferTerminationMessage").await.taken(200, "termination");
    let mut facts = private(&[PARTNER], &[]);
    facts["stop_orders"] = json!([{"ref": "STOP-2 (made up)", "consumer": PARTNER}]);
    market.firm.facts(&facts);
    let end = partner.desk.next(&format!("/transfers/{}/termination", three.pids.consumer)).await.json();
    assert_eq!(end["code"], json!("denied"), "nobody asked for anything, and law was asked all the same");
    for (why, stream) in [("suspended", streams.0), ("terminated", streams.1), ("stopped", streams.2)] {
        let (bytes, whole) = rest(stream).await;
        assert!(bytes < LARGE && !whole, "{why}: {bytes} bytes");
    }
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_on_disk_is_not_given() {
    // PLN-8.4
    let (market, agreement) = sold().await;
    let partner = &market.partner;
    let pull = partner.pulls(&agreement).await;
    let path = market.temp.join("table.bin");
    let mut bytes = content();
    bytes[1_500_000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let bearer = format!("Bearer {}", pull.token);
    let got = partner.try_call("GET", &pull.url, &[("authorization", &bearer)], Vec::new()).await;
    match got {
        Ok(reply) => assert_ne!(reply.status / 100, 2, "{}", reply.text()),
        Err(error) => drop(error),
    }
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_files_are_listed_with_their_addresses() {
    // PLN-8.3
    let market = Market::new().await;
    let source = market.temp.join("source");
    write_files(&source);
    let dataset = publish_path(&market.firm, source, policy_with("framework", None), harmless()).await;
    let partner = &market.partner;
    let (_, agreement) = partner.buys(&dataset).await;
    let pull = partner.pulls(&agreement).await;
    let list = pull.get(partner, &[]).await.taken(200, "a list").json();
    let listed = list["files"].as_array().unwrap();
    assert_eq!(listed.len(), files().len());
    let door = market.firm.node().https_url().unwrap();
    let bearer = format!("Bearer {}", pull.token);
    for file in listed {
        let (path, href) = (file["path"].as_str().unwrap(), file["href"].as_str().unwrap());
        let url = format!("{door}{href}");
        let got = partner.call("GET", &url, &[("authorization", &bearer)], Vec::new()).await.taken(200, path);
        assert!(got.body == files()[path], "{path}");
        assert_eq!(file["bytes"], json!(got.body.len()));
        assert_eq!(file["sha256"], json!(Digest::of(&got.body)));
        nothing(&partner.call("GET", &url, &[], Vec::new()).await, path);
    }
    // Pushed they come one by one, before completion.
    let consumer = uuid();
    let mut ask = partner.transfer_for(&consumer, &agreement, "HttpData-PUSH");
    ask["dataAddress"] = partner.place("/inbox");
    partner.post("/transfers/request", &ask).await.taken(201, "a push");
    partner.desk.next(&format!("/transfers/{consumer}/completion")).await;
    let mut came: Vec<Vec<u8>> = partner.desk.all("/inbox").into_iter().map(|h| h.body).collect();
    let mut sent: Vec<Vec<u8>> = files().into_values().collect();
    came.sort();
    sent.sort();
    assert!(came == sent);
    market.close().await;
}

/// A push to this address; gives the code under which it was terminated.
async fn pushed(partner: &Foreign, agreement: &str, place: Value) -> String {
    let consumer = uuid();
    let mut ask = partner.transfer_for(&consumer, agreement, "HttpData-PUSH");
    ask["dataAddress"] = place;
    partner.post("/transfers/request", &ask).await.taken(201, "a push");
    let end = partner.desk.next(&format!("/transfers/{consumer}/termination")).await.json();
    end["code"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn data_are_put_to_the_recorded_host_or_the_public_internet() {
    // PLN-8.6, PLN-8.8, PLN-2.5
    let (market, agreement) = sold().await;
    let partner = &market.partner;
    for (why, place) in [
        ("none", json!(null)),
        ("no endpoint", {
            let mut place = address("http://x", None);
            place.as_object_mut().unwrap().remove("endpoint");
            place
        }),
    ] {
        let mut ask = partner.transfer_for(&uuid(), &agreement, "HttpData-PUSH");
        ask["dataAddress"] = place;
        partner.post("/transfers/request", &ask).await.refused(400, "malformed", why);
    }
    let ask = partner.transfer_for(&uuid(), &agreement, "AmazonS3-PULL");
    partner.post("/transfers/request", &ask).await.refused(400, "malformed", "a format that is not offered");
    let trap = Arc::new(Desk::default());
    let elsewhere = listen(Arc::clone(&trap), "127.0.0.2").await;
    for endpoint in [
        format!("{elsewhere}/inbox"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://[::1]/inbox".to_owned(),
        "https://10.0.0.1/inbox".to_owned(),
        "ftp://partner.example/inbox".to_owned(),
        "x".to_owned(),
    ] {
        let code = pushed(partner, &agreement, address(&endpoint, Some("t"))).await;
        assert!(
            matches!(code.as_str(), "address_refused" | "address_invalid" | "argument_invalid"),
            "{endpoint}: {code}"
        );
    }
    trap.none("");
    // A redirect leads nowhere, and a refusal for good ends the transfer.
    partner.desk.once("/moved", Say::empty(307).with("location", format!("{elsewhere}/inbox")));
    assert_eq!(pushed(partner, &agreement, partner.place("/moved")).await, "answer_malformed");
    trap.none("");
    partner.desk.once("/full", Say::text(403, "text/html", "<html>no</html>"));
    assert_eq!(pushed(partner, &agreement, partner.place("/full")).await, "answer_malformed");
    // An answer that never ends is not waited for: 200 is 200.
    partner.desk.once("/endless", Say::new(200, Content::Endless));
    let consumer = uuid();
    let mut ask = partner.transfer_for(&consumer, &agreement, "HttpData-PUSH");
    ask["dataAddress"] = partner.place("/endless");
    partner.post("/transfers/request", &ask).await.taken(201, "a push");
    partner.desk.next(&format!("/transfers/{consumer}/completion")).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    market.close().await;
}
