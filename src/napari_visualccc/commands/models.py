"""`visualccc models list|fetch|show|export`."""

from __future__ import annotations

import argparse

from napari_visualccc.commands.base import Answer, Command
from napari_visualccc.core.progress import Progress


def _declare_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="Model file.")


def _show_model(arguments: argparse.Namespace, _: Progress) -> Answer:
    from napari_visualccc.models.files import read_card

    return read_card(arguments.model).as_dict()


def _lines_of_card(card: Answer) -> list[str]:
    from napari_visualccc.segment.coverage import words_on_painted

    size = card["pixel_size"]
    lines = [
        f"task: {card['task']}",
        "architecture: " + ", ".join(f"{key} {value}" for key, value in card["architecture"].items()),
        "classes: " + ", ".join(f"{one['value']} {one['name']}" for one in card["classes"]),
        f"pixel size: {size['x']:.4g} {size['unit']}" if size["unit"] != "px" else "pixel size: not calibrated (px)",
        f"normalisation: {card['normalisation']}",
        f"licence: {card['licence']}",
        f"made: {card['created']} by napari-visualccc {card['version']}",
    ]
    metrics = card["metrics"]
    lines += _lines_of_training(card["training"])
    lines += [f"{key}: {value}" for key, value in metrics.items() if isinstance(value, float | int | str)]
    lines += [f"IoU {name}: {value}" for name, value in metrics.get("iou", {}).items()]
    lines += words_on_painted(metrics)
    return lines


def _lines_of_training(training: Answer) -> list[str]:
    data = training.get("data", ())
    if isinstance(data, str):  # the encoders that come with the package tell it in words
        return [f"training, {key}: {value}" for key, value in training.items() if isinstance(value, float | int | str)]
    if not training:
        return []
    names = [one["name"] for one in data]
    begun = training.get("begun_with", {})
    steps = f"{training.get('steps')} steps"
    if "continued_after" in training:
        steps += f" (continued after {training['continued_after']})"
    return [
        f"training: {steps} in {training.get('seconds')} s on {training.get('device')}, "
        f"{len(names)} images ({', '.join(names[:4])}{' …' if len(names) > 4 else ''})",
        *([f"begun with: {begun['name']}, licence: {begun['licence']}, {begun['hash']}"] if begun.get("hash") else []),
        *training.get("remarks", ()),
        f"command: {training.get('command')}",
    ]


def _declare_list(_: argparse.ArgumentParser) -> None:
    pass


def _list(_: argparse.Namespace, __: Progress) -> Answer:
    from napari_visualccc.models.nn.offers import encoders_at_hand

    return {"encoders": encoders_at_hand()}


def _lines_of_list(answer: Answer) -> list[str]:
    heads = ("encoder", "--weights", "parameters", "size", "is", "source", "licence", "where")
    rows: list[tuple[str, ...]] = [heads, *(_cells(one) for one in answer["encoders"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, "", "Encoders of timm go by tu-NAME; each encoder can begin with --weights random or a file, too."]


def _cells(one: Answer) -> tuple[str, ...]:
    count, size = one["parameters"], one["megabytes"]
    is_where = "" if not one["where"] else "here" if one["at_hand"] else "to download"
    return (
        one["name"], one["weights"], f"{count / 1e6:.1f} M" if count else "", f"{size:.0f} MB" if size else "",
        is_where, one["source"], one["licence"], one["where"],
    )  # fmt: skip


def _declare_fetch(parser: argparse.ArgumentParser) -> None:
    from napari_visualccc.models.zoo import FOREIGN

    parser.add_argument("encoder", metavar="ENCODER", help="Name of the encoder, as 'models list' shows it.")
    parser.add_argument("--weights", choices=FOREIGN, default=FOREIGN[0], help="Which weights (default: %(default)s).")


def _fetch(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.models.download import download
    from napari_visualccc.models.nn.foreign import grey_tensors
    from napari_visualccc.models.nn.offers import offer_of

    offer = offer_of(arguments.encoder, arguments.weights)
    path = download(offer.url, offer.path, digest=offer.digest, progress=progress.part(0, 0.95))
    tensors = grey_tensors(offer.encoder, path)
    return {"path": str(path), "url": offer.url, "source": offer.source, "licence": offer.licence,
            "parameters": sum(value.numel() for value in tensors.values())}  # fmt: skip


def _lines_of_fetch(answer: Answer) -> list[str]:
    return [f"{answer['path']}: {answer['source']}; licence: {answer['licence']}"]


def _declare_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="Model file.")
    parser.add_argument("--output", metavar="ZIP", required=True, help="Package to write.")
    parser.add_argument("--name", default="", help="Title of the package.")
    parser.add_argument("--author", action="append", default=[], metavar="NAME", help="Author; may be repeated.")
    parser.add_argument("--licence", default="", metavar="SPDX", help="Licence of the weights, such as CC-BY-4.0.")
    parser.add_argument("--description", default="", metavar="TEXT", help="What the model is for.")


def _export(arguments: argparse.Namespace, progress: Progress) -> Answer:
    from napari_visualccc.segment import Publication, SegmentationModel, export_bioimageio

    model = SegmentationModel.load(arguments.model)
    about = Publication(arguments.name, arguments.author, arguments.licence, arguments.description)
    written = export_bioimageio(model, arguments.output, about, progress=progress)
    return {"output": str(written), "format": "bioimage.io 0.5, TorchScript", "classes": model.card.class_names}


def _lines_of_export(answer: Answer) -> list[str]:
    return [f"wrote {answer['output']} ({answer['format']})"]


COMMANDS = (
    Command("models list", "Encoders that networks can be built on, and the weights at hand for them.",
            "visualccc models list", _declare_list, _list, _lines_of_list),
    Command("models fetch", "Download an encoder's weights now, to train offline later.",
            "visualccc models fetch resnet18 --weights micronet", _declare_fetch, _fetch, _lines_of_fetch),
    Command("models export", "Write a model as a bioimage.io package, for ilastik, deepImageJ, QuPath and others.",
            "visualccc models export phases.safetensors --output phases.zip --author 'A. Maier' --licence CC-BY-4.0",
            _declare_export, _export, _lines_of_export),
    Command("models show", "What a model says of itself: classes, pixel size, training, quality.",
            "visualccc models show phases.safetensors", _declare_show, _show_model, _lines_of_card),
)  # fmt: skip
