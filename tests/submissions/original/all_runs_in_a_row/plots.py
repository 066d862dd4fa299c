import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def plot_histories(histories, path):
    """histories: name of the run -> history of its trainer"""
    fig, axes = plt.subplots(2, 2, figsize=(11, 8), sharex=True)
    for name, h in histories.items():
        epochs = range(len(h["train_loss"]))
        axes[0, 0].plot(epochs, h["train_loss"], label=name)
        axes[0, 1].plot(epochs, h["train_miou"], label=name)
        axes[1, 0].plot(h["val_epoch"], h["val_loss"], label=name)
        axes[1, 1].plot(h["val_epoch"], h["val_miou"], label=name)
    for ax, title in zip(axes.flat, ["train loss", "train mIoU", "validation loss", "validation mIoU"]):
        ax.set_title(title)
        ax.set_xlabel("epoch")
        ax.grid(True)
        ax.legend()
    fig.tight_layout()
    fig.savefig(path)
    plt.close(fig)
