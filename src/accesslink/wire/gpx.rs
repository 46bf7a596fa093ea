//! Routes as GPX.

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{Incomplete, ROUTE_LIMIT, Read, Unreadable, complete, limit::LEFT_OUT_LIMIT};

/// Deepest nesting of elements that is understood: a track point's children are at the fifth level,
/// extensions some levels below.
const DEPTH_LIMIT: usize = 64;

/// A track point. Segments follow each other: a pause is a gap in time.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackPoint {
    /// Degrees.
    pub latitude: f64,
    /// Degrees.
    pub longitude: f64,
    /// Metres.
    pub altitude_m: Option<f64>,
    /// When it was passed, UTC.
    pub time: Option<String>,
}

/// Checks that `body` is one whole GPX document: well-formed up to the end of its root.
pub fn check_complete(body: &[u8]) -> Result<(), Incomplete> {
    let mut elements = Elements::of(complete::text(body)?);
    while let Some(_event) = elements.next()? {}
    Ok(())
}

/// Decodes the track points of every segment of every track, in order. A point without a place is
/// left out; a route with nothing but such points is not understood.
pub fn decode(body: &[u8]) -> Result<Read<Vec<TrackPoint>>, Unreadable> {
    let incomplete = |_| Unreadable::new("", "a well-formed GPX document");
    let mut elements = Elements::of(complete::text(body).map_err(incomplete)?);
    let mut track = Track::default();
    while let Some(event) = elements.next().map_err(incomplete)? {
        if elements.depth > DEPTH_LIMIT {
            let expected = format!("elements nested at most {DEPTH_LIMIT} levels deep");
            return Err(Unreadable::new("", expected));
        }
        track.read(&event, elements.depth)?;
    }
    match track.left_out.first() {
        Some(error) if track.points.is_empty() => Err(error.clone()),
        _ => Ok(Read {
            body: track.points,
            left_out: track.left_out,
        }),
    }
}

/// The track points read so far.
#[derive(Default)]
struct Track {
    points: Vec<TrackPoint>,
    left_out: Vec<Unreadable>,
    /// Points met so far.
    met: usize,
    /// Whether the point that is open has a place.
    is_placed: bool,
    /// How deep the children of the open point's element are.
    point_depth: Option<usize>,
    /// Text since the last begin of an element.
    text: String,
}

impl Track {
    /// Takes in an event; `depth` is the number of elements open after it.
    fn read(&mut self, event: &Event<'_>, depth: usize) -> Result<(), Unreadable> {
        match event {
            Event::Start(element) if is_point(element) => {
                self.begin_point(element)?;
                self.point_depth = Some(depth);
            }
            Event::Empty(element) if is_point(element) => self.begin_point(element)?,
            Event::Start(_) => self.text.clear(),
            Event::Text(piece) => self.text.push_str(piece),
            Event::CData(piece) => self.text.push_str(piece),
            Event::End(element) if self.point_depth == Some(depth) => {
                self.end_child(element.local_name().into_inner());
            }
            Event::End(_) if self.point_depth > Some(depth) => self.point_depth = None,
            _ => {}
        }
        Ok(())
    }

    fn begin_point(&mut self, element: &BytesStart<'_>) -> Result<(), Unreadable> {
        let position = self.met;
        if position == ROUTE_LIMIT {
            let expected = format!("at most {ROUTE_LIMIT} points");
            return Err(Unreadable::new("trkpt", expected));
        }
        self.met += 1;
        let place = degrees(element, "lat", position)
            .and_then(|latitude| Ok((latitude, degrees(element, "lon", position)?)));
        self.is_placed = place.is_ok();
        match place {
            Ok((latitude, longitude)) => self.points.push(TrackPoint {
                latitude,
                longitude,
                altitude_m: None,
                time: None,
            }),
            Err(error) => self.leave_out(error),
        }
        Ok(())
    }

    /// Names what is left out, up to a limit: one point may have any number of altitudes.
    fn leave_out(&mut self, error: Unreadable) {
        if self.left_out.len() < LEFT_OUT_LIMIT {
            self.left_out.push(error);
        }
    }

    fn end_child(&mut self, name: &str) {
        let position = self.met.saturating_sub(1);
        let Some(point) = self.points.last_mut().filter(|_| self.is_placed) else {
            return;
        };
        let text = self.text.trim();
        match name {
            "ele" if !text.is_empty() => match text.parse::<f64>() {
                Ok(metres) => point.altitude_m = Some(metres).filter(|metres| metres.is_finite()),
                Err(_) => {
                    self.leave_out(Unreadable::new(format!("trkpt[{position}].ele"), "metres"));
                }
            },
            "time" if !text.is_empty() => point.time = Some(text.to_owned()),
            _ => {}
        }
    }
}

fn is_point(element: &BytesStart<'_>) -> bool {
    element.local_name().into_inner() == "trkpt"
}

fn degrees(element: &BytesStart<'_>, name: &str, position: usize) -> Result<f64, Unreadable> {
    element
        .try_get_attribute(name)
        .ok()
        .flatten()
        .and_then(|attribute| attribute.value.trim().parse().ok())
        .ok_or_else(|| Unreadable::new(format!("trkpt[{position}].{name}"), "degrees"))
}

/// The events of one GPX document, which end only where its root does. Entities are never expanded.
struct Elements<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    root_seen: bool,
}

impl<'a> Elements<'a> {
    fn of(document: &'a str) -> Self {
        let mut reader = Reader::from_str(document);
        // A name with a bare `&` is no reason to fetch the route for ever.
        reader.config_mut().allow_dangling_amp = true;
        Self {
            reader,
            depth: 0,
            root_seen: false,
        }
    }

    fn next(&mut self) -> Result<Option<Event<'a>>, Incomplete> {
        let event = self.reader.read_event().map_err(|error| match error {
            quick_xml::Error::Syntax(_) => Incomplete::CutOff,
            _ => Incomplete::OtherFormat,
        })?;
        match &event {
            Event::Start(element) => {
                self.check_root(element)?;
                self.depth += 1;
            }
            Event::Empty(element) => self.check_root(element)?,
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::Text(text) if self.depth == 0 && !text.trim().is_empty() => {
                return Err(Incomplete::OtherFormat);
            }
            Event::Eof if self.root_seen && self.depth == 0 => return Ok(None),
            Event::Eof => return Err(Incomplete::CutOff),
            _ => {}
        }
        Ok(Some(event))
    }

    /// Only the one root may stand at the top, and it must be `gpx`.
    fn check_root(&mut self, element: &BytesStart<'_>) -> Result<(), Incomplete> {
        if self.depth == 0 {
            if self.root_seen || element.local_name().into_inner() != "gpx" {
                return Err(Incomplete::OtherFormat);
            }
            self.root_seen = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GPX: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1">
  <metadata><time>2031-05-06T05:00:00Z</time></metadata>
  <trk><trkseg>
    <trkpt lat="61.5" lon="23.75"><ele>101.5</ele><time>2031-05-06T05:00:01.250Z</time>
      <extensions><time>not this</time></extensions></trkpt>
    <trkpt lat="61.6" lon="-23.80"/>
  </trkseg><trkseg>
    <trkpt lon="23.85" lat="61.7"><ele/><time></time></trkpt>
  </trkseg></trk>
</gpx>
"#;

    fn point(latitude: f64, longitude: f64) -> TrackPoint {
        TrackPoint {
            latitude,
            longitude,
            altitude_m: None,
            time: None,
        }
    }

    #[test]
    fn points_of_all_segments_are_read_in_order() {
        let first = TrackPoint {
            altitude_m: Some(101.5),
            time: Some("2031-05-06T05:00:01.250Z".to_owned()),
            ..point(61.5, 23.75)
        };
        assert_eq!(
            decode(GPX.as_bytes()).unwrap().body,
            [first, point(61.6, -23.8), point(61.7, 23.85)]
        );
        assert_eq!(decode(b"<gpx/>").unwrap(), Read::whole(Vec::new()));
        let unescaped = b"<gpx><name>Hill & dale</name><trkpt lat='1' lon='2'/></gpx>";
        assert_eq!(check_complete(unescaped), Ok(()));
        assert_eq!(decode(unescaped).unwrap().body, [point(1.0, 2.0)]);
    }

    #[test]
    fn every_proper_prefix_is_incomplete() {
        let body = GPX.trim().as_bytes();
        assert_eq!(check_complete(GPX.as_bytes()), Ok(()));
        for end in 1..body.len() {
            assert_eq!(
                check_complete(&body[..end]),
                Err(Incomplete::CutOff),
                "{end}"
            );
            assert!(decode(&body[..end]).is_err());
        }
    }

    #[test]
    fn other_documents_are_not_gpx() {
        for body in [
            "<html><body>502</body></html>",
            "<gpx></trk>",
            "<gpx/><gpx/>",
            "<gpx/>and more",
            "{}",
        ] {
            assert_eq!(
                check_complete(body.as_bytes()),
                Err(Incomplete::OtherFormat),
                "{body}"
            );
        }
        assert_eq!(check_complete(b" "), Err(Incomplete::Empty));
    }

    #[test]
    fn a_point_without_a_place_is_left_out_and_named_without_its_value() {
        let body = br#"<gpx><trkpt lat="1" lon="2"><ele>high</ele></trkpt>
            <trkpt lat="north 60" lon="2"><ele>7</ele><time>2031-05-06T05:00:00Z</time></trkpt>
            <trkpt lat="3"/><trkpt lat="5" lon="6"/></gpx>"#;
        let read = decode(body).unwrap();
        assert_eq!(read.body, [point(1.0, 2.0), point(5.0, 6.0)]);
        let left_out: Vec<_> = read.left_out.iter().map(ToString::to_string).collect();
        assert_eq!(
            left_out,
            [
                "trkpt[0].ele: expected metres",
                "trkpt[1].lat: expected degrees",
                "trkpt[2].lon: expected degrees"
            ]
        );
        assert_eq!(check_complete(body), Ok(()));
        let lost = decode(b"<gpx><trkpt lat='1'/><trkpt/></gpx>").unwrap_err();
        assert_eq!(lost.path, "trkpt[0].lon");
    }

    #[test]
    fn what_is_left_out_is_named_up_to_a_limit() {
        let altitudes = "<ele>high</ele>".repeat(LEFT_OUT_LIMIT + 1);
        let body = format!("<gpx><trkpt lat='1' lon='2'>{altitudes}</trkpt></gpx>");
        let read = decode(body.as_bytes()).unwrap();
        assert_eq!((read.body.len(), read.left_out.len()), (1, LEFT_OUT_LIMIT));
    }

    #[test]
    fn deep_nesting_is_complete_and_not_understood() {
        let deep = format!("<gpx>{}{}</gpx>", "<a>".repeat(100), "</a>".repeat(100));
        assert!(decode(deep.as_bytes()).is_err());
        assert_eq!(check_complete(deep.as_bytes()), Ok(()));
    }
}
