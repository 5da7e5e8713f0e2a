//! The colours that a program is told when it asks: xterm's, light on black.

use alacritty_terminal::vte::ansi::{NamedColor, Rgb};

const LIGHT: Rgb = Rgb { r: 0xe5, g: 0xe5, b: 0xe5 };
const BLACK: Rgb = Rgb { r: 0, g: 0, b: 0 };

/// The sixteen named colours.
const NAMED: [[u8; 3]; 16] = [
    [0x00, 0x00, 0x00],
    [0xcd, 0x00, 0x00],
    [0x00, 0xcd, 0x00],
    [0xcd, 0xcd, 0x00],
    [0x00, 0x00, 0xee],
    [0xcd, 0x00, 0xcd],
    [0x00, 0xcd, 0xcd],
    [0xe5, 0xe5, 0xe5],
    [0x7f, 0x7f, 0x7f],
    [0xff, 0x00, 0x00],
    [0x00, 0xff, 0x00],
    [0xff, 0xff, 0x00],
    [0x5c, 0x5c, 0xff],
    [0xff, 0x00, 0xff],
    [0x00, 0xff, 0xff],
    [0xff, 0xff, 0xff],
];

/// The colour of an index that the program has not changed: palette, text, background or cursor.
pub(super) fn default(index: usize) -> Rgb {
    match index {
        0..16 => {
            let [r, g, b] = NAMED[index];
            Rgb { r, g, b }
        }
        16..232 => {
            let cube = index - 16;
            Rgb { r: level(cube / 36), g: level(cube / 6 % 6), b: level(cube % 6) }
        }
        232..256 => {
            let grey = u8::try_from(8 + (index - 232) * 10).unwrap_or(u8::MAX);
            Rgb { r: grey, g: grey, b: grey }
        }
        _ if index == NamedColor::Background as usize => BLACK,
        _ => LIGHT,
    }
}

fn level(step: usize) -> u8 {
    u8::try_from(if step == 0 { 0 } else { 55 + step * 40 }).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_palette_is_xterms() {
        let rgb = |index| {
            let Rgb { r, g, b } = default(index);
            (r, g, b)
        };
        assert_eq!(rgb(1), (0xcd, 0, 0));
        assert_eq!(rgb(16), (0, 0, 0));
        assert_eq!(rgb(231), (255, 255, 255));
        assert_eq!(rgb(110), (0x87, 0xaf, 0xd7));
        assert_eq!((rgb(232), rgb(255)), ((8, 8, 8), (238, 238, 238)));
        assert_eq!(rgb(NamedColor::Background as usize), (0, 0, 0));
        assert_eq!(rgb(NamedColor::Foreground as usize), (0xe5, 0xe5, 0xe5));
    }
}
