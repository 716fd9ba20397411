//! Whether a request comes from Slack: its `v0` signature, over the raw bytes.

use aws_lambda_events::http::HeaderMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use leaver_domain::{digest::Digest, secret::Secret, time::Timestamp};
use sha2::Sha256;

/// How far the request's time may be from now, in seconds.
const TOLERANCE: u64 = 300;

/// Whether this request is authentic: `X-Slack-Signature` is `v0=` and the hexadecimal HMAC-SHA256 of `v0:time:body`, and
/// `X-Slack-Request-Timestamp` is that time. Compared in constant time.
pub fn accept(secret: &Secret, headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
    let header = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let first = values.next().and_then(|value| value.to_str().ok());
        // The same header twice is nobody's honest mistake: it could be read one way here and another way elsewhere.
        if values.next().is_some() { None } else { first }
    };
    let (Some(time), Some(given)) = (header("x-slack-request-timestamp"), header("x-slack-signature")) else {
        return false;
    };
    fits(secret, time, given, body, now)
}

fn fits(secret: &Secret, time: &str, given: &str, body: &[u8], now: Timestamp) -> bool {
    let digits = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
    let Some(seconds) = time.parse::<i64>().ok().filter(|_| digits) else { return false };
    if seconds.abs_diff(now.seconds()) > TOLERANCE || secret.expose().is_empty() {
        return false;
    }
    let Some(Ok(code)) = given.strip_prefix("v0=").map(str::parse::<Digest>) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else { return false };
    for part in [b"v0:", time.as_bytes(), b":", body] {
        mac.update(part);
    }
    mac.verify_slice(&code.0).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lambda_events::http::HeaderValue;

    // The example of Slack's page on verifying requests.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const TIME: i64 = 1_531_420_618;
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
        channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
        response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&\
        trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in of {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000).unwrap()
    }

    fn accepted(time: &str, signature: &str, body: &str, now: i64) -> bool {
        let headers = headers(&[("X-Slack-Request-Timestamp", time), ("x-slack-signature", signature)]);
        accept(&Secret::new(SECRET), &headers, body.as_bytes(), at(now))
    }

    #[test]
    fn slacks_own_example_is_accepted_within_five_minutes_both_ways() {
        let time = TIME.to_string();
        for now in [TIME, TIME - 300, TIME + 300] {
            assert!(accepted(&time, SIGNATURE, BODY, now), "{now}");
        }
        for now in [TIME - 301, TIME + 301, 0, TIME * 2] {
            assert!(!accepted(&time, SIGNATURE, BODY, now), "{now}");
        }
    }

    #[test]
    fn another_body_time_signature_or_secret_is_refused() {
        let time = TIME.to_string();
        assert!(!accepted(&time, SIGNATURE, &format!("{BODY} "), TIME));
        assert!(!accepted(&(TIME + 1).to_string(), SIGNATURE, BODY, TIME));
        // The signed text has the time as it was sent: no other writing of the same number.
        for other in ["", "+1531420618", "01531420618", " 1531420618", "1531420618.0", "99999999999999999999"]
        {
            assert!(!accepted(other, SIGNATURE, BODY, TIME), "{other}");
        }
        let forged = SIGNATURE.replace("a2114d", "b2114d");
        for other in ["", "v0=", SIGNATURE.trim_start_matches("v0="), &SIGNATURE.replace("v0", "v1"), &forged]
        {
            assert!(!accepted(&time, other, BODY, TIME), "{other}");
        }
        assert!(!accepted(&time, &format!("{SIGNATURE},{SIGNATURE}"), BODY, TIME));
        let good = headers(&[("x-slack-request-timestamp", &time), ("x-slack-signature", SIGNATURE)]);
        for secret in ["", "8f742231b10e8888abcd99yyyzzz85a6"] {
            assert!(!accept(&Secret::new(secret), &good, BODY.as_bytes(), at(TIME)));
        }
    }

    #[test]
    fn missing_and_repeated_headers_are_refused() {
        let time = TIME.to_string();
        let (of, sig) = ("x-slack-request-timestamp", "x-slack-signature");
        let refused: [&[(&str, &str)]; 4] =
            [&[], &[(of, &time)], &[(sig, SIGNATURE)], &[(of, &time), (sig, SIGNATURE), (sig, SIGNATURE)]];
        for one in refused {
            let one: Vec<(&'static str, &str)> =
                one.iter().map(|(name, value)| (if *name == of { of } else { sig }, *value)).collect();
            assert!(!accept(&Secret::new(SECRET), &headers(&one), BODY.as_bytes(), at(TIME)), "{one:?}");
        }
    }
}
