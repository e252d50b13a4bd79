"""make_pictures.py FOLDER: writes pictures of many kinds, and beside each NAME.rgb: the pixels that it must decode to (NAME.size: width height)."""

import os
import sys

import numpy as np
from PIL import Image, ImageCms, ImageOps

folder = sys.argv[1]
y, x = np.mgrid[0:24, 0:40]
picture = Image.fromarray(np.stack([x * 6, y * 10, (x + y) * 4], -1).astype("uint8"))
turned = picture.transpose(Image.FLIP_LEFT_RIGHT)


def add(name, image, expected=None, **options):
    path = os.path.join(folder, name)
    image.save(path, **options)
    if expected is None:
        expected = Image.open(path).convert("RGB")
    with open(path + ".rgb", "wb") as file:
        file.write(np.asarray(expected).tobytes())
    with open(path + ".size", "w") as file:
        file.write(f"{expected.width} {expected.height}")


def over_white(image):
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image.convert("RGBA"))
    return white.convert("RGB")


add("rgb.png", picture)
add("rgb.jpg", picture, quality=95)
add("progressive.jpg", picture, progressive=True)
add("rgb.tif", picture)
add("rgb.webp", picture, picture, lossless=True)
add("rgb.gif", picture)
add("grey.png", picture.convert("L"))
add("grey.jpg", picture.convert("L"))
add("palette.png", picture.quantize(16))
add("bits.png", picture.convert("1"))
add("one.png", Image.new("RGB", (1, 1), (9, 8, 7)))
add("long.png", Image.new("RGB", (60000, 1), (9, 8, 7)))
add("animated.gif", picture.quantize(64), append_images=[turned.quantize(64)], save_all=True)
add("animated.webp", picture, picture, append_images=[turned], save_all=True, lossless=True)
add("name with ünïcödé [n=-1].png", picture)
add("two\nlines.png", picture)

see_through = picture.convert("RGBA")
see_through.putalpha(Image.fromarray((x * 6).astype("uint8")))
add("alpha.png", see_through, over_white(see_through))
add("grey-alpha.png", see_through.convert("LA"), over_white(see_through.convert("LA")))

deep = (x * 1600).astype("uint16")
add("grey-16.png", Image.fromarray(deep), Image.fromarray(np.rint(deep / 257).astype("uint8")).convert("RGB"))

# Colours that neither inks nor paper can show are left out.
muted = Image.fromarray((64 + np.asarray(picture) // 4).astype("uint8"))
add("cmyk.jpg", muted.convert("CMYK"), muted, quality=95)
add("cmyk.tif", muted.convert("CMYK"), muted)

srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
add("profile.png", picture, icc_profile=srgb)

for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    name = f"orientation-{orientation}.jpg"
    picture.save(os.path.join(folder, name), exif=exif, quality=95)
    upright = ImageOps.exif_transpose(Image.open(os.path.join(folder, name)))
    add(name, picture, upright.convert("RGB"), exif=exif, quality=95)
