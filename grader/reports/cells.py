"""The code cells of the feedback notebook, cut at `# %%`. Never imported: `notebook` reads this file as text.

Each cell draws one of the pictures of `pictures` again, in as few plain words as a reader needs who wants to change it.
"""
# mypy: ignore-errors

# %% setup
import base64
import io
import json

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from PIL import Image

SUBMISSION, REFERENCE, WRONG = "#0072B2", "#6E6E6E", (179, 0, 94)


def pixels(text):
    """Turn the text of an image file into an array of its pixels."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


# %% data
training = json.loads("{}")  # in the notebook, each training has a cell of its data

# %% curves
figure, panels = plt.subplots(2, 1, figsize=(6, 7), sharex=True, layout="constrained")
for panel, quantity in zip(panels, ["loss", "miou"], strict=True):
    for metric, style in [(f"train_{quantity}", "o--"), (f"val_{quantity}", "o-")]:
        low, median, high = (training["band"][name][metric] for name in ["low", "median", "high"])
        panel.fill_between(low["steps"], low["values"], high["values"], color=REFERENCE, alpha=0.2)
        for run, color, whose in [
            (median, REFERENCE, "reference, median"),
            (training["run"][metric], SUBMISSION, "submission"),
        ]:
            label = f"{whose}: {metric}"
            panel.plot(run["steps"], run["values"], style, color=color, markersize=4, label=label)
    panel.set_ylabel(quantity)
    panel.legend(fontsize=8)
if training["highest_loss"]:  # leave this out to see how far the loss went
    panels[0].set_ylim(0, training["highest_loss"])
panels[1].set_xlabel("epoch")
plt.show()

# %% published
figure, panels = plt.subplots(1, 2, figsize=(6, 3), layout="constrained")
for panel, quantity in zip(panels, ["loss", "miou"], strict=True):
    for metric, style in [(f"train_{quantity}", "--"), (f"val_{quantity}", "o-")]:
        run = training["published"][metric]
        panel.plot(run["steps"], run["values"], style, color=REFERENCE, label=metric)
    panel.set(title=quantity, xlabel="epoch")
    panel.legend(fontsize=8)
plt.show()

# %% class_iou
unseen = training["unseen"]
places = np.arange(len(unseen["classes"]))
figure, panel = plt.subplots(figsize=(6, 1.2 + 0.5 * len(places)), layout="constrained")
for shift, values, color, label in [
    (-0.2, unseen["class_iou"], SUBMISSION, "submission"),
    (0.2, unseen["median_class_iou"], REFERENCE, "reference, median"),
]:
    bars = panel.barh(places + shift, values, height=0.38, color=color, label=label)
    panel.bar_label(bars, fmt="%.2f", padding=3)
panel.set_yticks(places, unseen["classes"])
panel.invert_yaxis()
panel.set(xlabel="IoU on unseen images", xlim=(0, 1.1))
panel.legend()
plt.show()

# %% confusion
unseen = training["unseen"]
matrix = np.array(unseen["confusion"])  # [i, j]: pixels of class i that were called class j
shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
hits = np.diag(matrix)
missed, false_alarms = matrix.sum(axis=1) - hits, matrix.sum(axis=0) - hits
iou = hits / np.maximum(hits + missed + false_alarms, 1)

figure, panel = plt.subplots(figsize=(6, 5), layout="constrained")
panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
for (true, predicted), share in np.ndenumerate(shares):
    style = {"color": "white" if share > 0.55 else "black", "fontsize": 30 / len(matrix)}
    panel.text(predicted, true, f"{share:.0%}", ha="center", va="center", **style)
panel.set_xticks(range(len(matrix)), unseen["classes"], rotation=30)
labels = [f"{name}, IoU {value:.2f}" for name, value in zip(unseen["classes"], iou, strict=True)]
panel.set_yticks(range(len(matrix)), labels)
panel.set(xlabel="predicted class", ylabel="true class")
plt.show()

# %% samples
unseen = training["unseen"]
colors = ListedColormap(training["colors"])
look = {"cmap": colors, "vmin": 0, "vmax": colors.N - 1, "interpolation": "nearest"}
rows = len(unseen["samples"])
figure, panels = plt.subplots(rows, 4, figsize=(7, 1.9 * rows), squeeze=False, layout="constrained")
for row, sample in zip(panels, unseen["samples"], strict=True):
    image, truth, predicted = (pixels(sample[name]) for name in ["image", "truth", "predicted"])
    wrong = (predicted != truth) & (truth != 255)  # 255 is ignored
    difference = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2) * 0.3 + 255 * 0.7
    difference[wrong] = WRONG
    row[0].imshow(image)
    row[1].imshow(np.ma.masked_equal(truth, 255), **look)
    row[2].imshow(predicted, **look)
    row[3].imshow(difference.astype(np.uint8))
    row[0].set_ylabel(f"mIoU {sample['miou']:.2f}")
    titles = ["image", "truth", "prediction", f"{wrong.mean():.0%} wrong"]
    for panel, title in zip(row, titles, strict=True):
        panel.set(title=title, xticks=[], yticks=[])
handles = [plt.Rectangle((0, 0), 1, 1, fc=color, ec="grey") for color in training["colors"]]
figure.legend(handles, unseen["classes"], loc="outside lower center", ncols=4)
plt.show()
