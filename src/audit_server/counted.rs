//! A connection's requests, each counted as something under way for its guest until it is answered.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, Response};
use tower_service::Service;

use crate::guests::{Busy, Guest, Held};

#[derive(Clone)]
pub(super) struct Counted {
    pub(super) router: Router,
    pub(super) guest: Guest,
}

impl<B> Service<Request<B>> for Counted
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response<Held<Body, Busy>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (busy, answer) = (self.guest.busy(), self.router.call(request));
        Box::pin(async move { Ok(answer.await?.map(|body| Held::new(body, busy))) })
    }
}
