import json

import torch
from torch.utils.data import DataLoader
from torchvision.models import ResNet50_Weights
from torchvision.models.segmentation import fcn_resnet50

from config import ExperimentConfig
from data import DATASETS
from dlvc.metrics import SegMetrics
from dlvc.models.segformer import SegFormer
from dlvc.models.segment_model import DeepSegmenter


class Experiment:
    """
    Builds everything that a config asks for and trains.
    Subclasses change the model before the first epoch in `prepare`.
    """

    def __init__(self, cfg: ExperimentConfig):
        self.cfg = cfg
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

        build, self.first_label = DATASETS[cfg.data.name]
        self.train_data, self.val_data = build(cfg.data)
        loader_args = dict(batch_size=cfg.data.batch_size, num_workers=cfg.data.num_workers)
        self.train_loader = DataLoader(self.train_data, shuffle=True, **loader_args)
        self.val_loader = DataLoader(self.val_data, shuffle=False, **loader_args)

        self.model = self.build_model().to(self.device)
        self.optimizer = self.build_optimizer()
        self.scheduler = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, gamma=cfg.optim.gamma)
        self.loss_fn = torch.nn.CrossEntropyLoss(ignore_index=255)
        self.metrics = {"train": SegMetrics(self.train_data.classes_seg),
                        "val": SegMetrics(self.val_data.classes_seg)}
        self.history = []

    @property
    def num_classes(self):
        return len(self.train_data.classes_seg)

    def build_model(self):
        if self.cfg.model == "fcn":
            backbone = ResNet50_Weights.IMAGENET1K_V1 if self.cfg.imagenet_backbone else None
            net = fcn_resnet50(weights=None, weights_backbone=backbone, num_classes=self.num_classes)
        elif self.cfg.model == "segformer":
            net = SegFormer(num_classes=self.num_classes)
        else:
            raise ValueError(f"unknown model {self.cfg.model}")
        return DeepSegmenter(net)

    def build_optimizer(self):
        o = self.cfg.optim
        if o.name == "adamw":
            return torch.optim.AdamW(self.model.parameters(), lr=o.lr, weight_decay=o.weight_decay, amsgrad=True)
        if o.name == "sgd":
            return torch.optim.SGD(self.model.parameters(), lr=o.lr, weight_decay=o.weight_decay, momentum=0.9)
        raise ValueError(f"unknown optimizer {o.name}")

    def prepare(self):
        pass

    def step(self, images, labels):
        images = images.to(self.device)
        labels = (labels.squeeze(1) - self.first_label).to(self.device)
        scores = self.model(images)
        if isinstance(scores, dict):
            scores = scores["out"]
        return scores, labels, self.loss_fn(scores, labels)

    def epoch(self, phase):
        training = phase == "train"
        self.model.train(training)
        metric = self.metrics[phase]
        metric.reset()
        loader = self.train_loader if training else self.val_loader
        total, seen = 0.0, 0
        with torch.set_grad_enabled(training):
            for images, labels in loader:
                scores, labels, loss = self.step(images, labels)
                if training:
                    self.optimizer.zero_grad()
                    loss.backward()
                    self.optimizer.step()
                total += loss.item() * len(images)
                seen += len(images)
                metric.update(scores.detach().cpu(), labels.cpu())
        if training:
            self.scheduler.step()
        return {f"{phase}/loss": total / seen, f"{phase}/mIoU": metric.mIoU()}

    def run(self):
        out = self.cfg.out_dir
        out.mkdir(parents=True, exist_ok=True)
        self.prepare()

        best = -1.0
        for epoch in range(self.cfg.num_epochs):
            entry = {"epoch": epoch, **self.epoch("train")}
            last = epoch == self.cfg.num_epochs - 1
            if epoch % self.cfg.val_frequency == 0 or last:
                entry.update(self.epoch("val"))
                if entry["val/mIoU"] > best:
                    best = entry["val/mIoU"]
                    self.model.save(out, suffix="best")
            if last:
                self.model.save(out, suffix="last")
            self.history.append(entry)
            (out / "history.json").write_text(json.dumps(self.history, indent=1))
            print(self.cfg.name, entry)
        return best


class FineTuneExperiment(Experiment):
    """Starts with the encoder of a SegFormer that was trained on other data."""

    def prepare(self):
        saved = torch.load(self.cfg.encoder_weights, map_location=self.device)
        encoder_weights = {name: value for name, value in saved.items() if name.startswith("encoder.")}
        self.model.net.encoder.load_state_dict(encoder_weights, strict=False)

        if self.cfg.freeze_encoder:
            self.model.net.encoder.requires_grad_(False)


def make_experiment(cfg: ExperimentConfig) -> Experiment:
    if cfg.encoder_weights is not None:
        return FineTuneExperiment(cfg)
    return Experiment(cfg)
