//! orch-git on real repositories.

mod commit;
mod contract;
mod forge;
mod hostile;
mod lab;
mod locks;
mod mend;
mod nested;
mod prepare;
mod push;
mod remove;
mod repository;
mod save;
mod survey;
mod sync;
mod work;
