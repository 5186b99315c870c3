//! How clients are let go when the server is told to stop.

use super::*;

#[test]
fn who_waits_for_nothing_is_let_go_at_once() {
    let mut scene = Scene::start();
    scene.worker.leave();
    assert!(scene.is_closing() && !scene.worker.has_left());
    scene.worker.on_closed(scene.client);
    assert!(scene.worker.has_left());
    let late = scene.worker.on_accepted(NOW, SocketAddr::from(([127, 0, 0, 1], 5001)));
    assert!(scene.worker.is_closing(late), "nobody is let in any more");
}

#[test]
fn who_waits_for_answers_is_let_go_behind_the_last() {
    let mut scene = Scene::start();
    scene.receive(&[sync(1), exists(2), sync(3), exists(4)].concat());
    scene.worker.leave();
    scene.receive(&sync(5));
    assert_eq!(scene.asked(), [1, 2, 3], "nothing more is asked");
    [1, 2].into_iter().for_each(|xid| scene.reply(xid));
    assert!(!scene.is_closing());
    scene.reply(3);
    assert_eq!(scene.replies(), [1, 2, 3, 4]);
    assert!(scene.is_closing());
}
