use mainstay::config::{fault::Report, nginx, print, source::Sources};
fn main() {
    for p in std::env::args().skip(1) {
        let t = std::fs::read_to_string(&p).unwrap();
        let mut s = Sources::default();
        let mut r = Report::default();
        let f = s.add(p.as_str(), t.as_str());
        let c = nginx::read(&mut s, f, std::path::Path::new(&p).parent(), &mut r);
        if std::env::var("D").is_ok() {
            println!("{}", print::print(&c));
            continue;
        }
        for x in r.into_found() {
            println!("{}", x.render(&s));
        }
        println!("looks {}", nginx::looks_like_nginx(&t));
    }
}
