//! Where attachments go in a binary packet. Apps put them in by number, and some have trusted any number; some take an object for a
//! placeholder that others leave alone. So whatever has that name must be exactly what client libraries write.

/// Whether every object with a `_placeholder` is `true` there and names one of so many attachments. `json` was found to be JSON of
/// bounded depth before.
pub(super) fn fit(json: &str, attachments: u8) -> bool {
    let mut walk = Walk { text: json.as_bytes(), at: 0 };
    // For each open bracket: what is known of the object, or nothing of an array.
    let mut open: Vec<Option<Object>> = Vec::new();
    while let Some(token) = walk.next() {
        match token {
            Token::Open(is_object) => open.push(is_object.then(Object::default)),
            Token::Close => {
                if open.pop().flatten().is_some_and(|object| !object.is_fit(attachments)) {
                    return false;
                }
            }
            Token::Name(name) => {
                let value = walk.plain_value();
                let Some(Some(object)) = open.last_mut() else { continue };
                if is_text(name, PLACEHOLDER) {
                    object.placeholder = Some(value == b"true");
                } else if is_text(name, NUMBER) {
                    object.number = Some(std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()));
                }
            }
        }
    }
    true
}

/// The members of an object that matter. Of one that is there twice the last counts, as it does for everybody.
#[derive(Default)]
struct Object {
    placeholder: Option<bool>,
    number: Option<Option<u8>>,
}

impl Object {
    fn is_fit(&self, attachments: u8) -> bool {
        match self.placeholder {
            None => true,
            Some(is_true) => is_true && self.number.flatten().is_some_and(|number| number < attachments),
        }
    }
}

enum Token<'a> {
    /// `true`: of an object.
    Open(bool),
    Close,
    /// The name of a member, with its quotes.
    Name(&'a [u8]),
}

/// Goes through a text that is known to be JSON.
struct Walk<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let byte = *self.text.get(self.at)?;
            match byte {
                b'{' | b'[' => {
                    self.at += 1;
                    return Some(Token::Open(byte == b'{'));
                }
                b'}' | b']' => {
                    self.at += 1;
                    return Some(Token::Close);
                }
                b'"' => {
                    let text = self.text();
                    self.skip_space();
                    if self.text.get(self.at) == Some(&b':') {
                        self.at += 1;
                        return Some(Token::Name(text));
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// The text that begins here, with its quotes.
    fn text(&mut self) -> &'a [u8] {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.text.get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == b'"' {
                break;
            }
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// The value that follows a name, when it is a word or a number; nothing is passed over.
    fn plain_value(&mut self) -> &'a [u8] {
        self.skip_space();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')).count();
        &rest[..length]
    }

    fn skip_space(&mut self) {
        while self.text.get(self.at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }
}

/// Whether a text in quotes is this one, however it is escaped.
fn is_text(quoted: &[u8], plain: &str) -> bool {
    match quoted.contains(&b'\\') {
        false => quoted.get(1..quoted.len().saturating_sub(1)) == Some(plain.as_bytes()),
        true => serde_json::from_slice::<String>(quoted).is_ok_and(|text| text == plain),
    }
}

const PLACEHOLDER: &str = "_placeholder";
const NUMBER: &str = "num";
