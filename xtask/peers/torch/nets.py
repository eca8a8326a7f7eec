"""The networks of examples/src/nets, for PyTorch."""
import torch
from torch import nn
from torch.nn import functional as F


class GlobalAvgPool2d(nn.Module):
    def forward(self, x):
        return F.avg_pool2d(x, kernel_size=x.shape[2:])


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Sigmoid(), nn.MaxPool2d(2, 2), nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.MaxPool2d(2, 2),
        nn.Flatten(), nn.Linear(256, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10))


def vgg11(ratio):
    layers, width = [], lambda channels: channels // ratio
    for convs, inputs, outputs in ((1, 1, width(64)), (1, width(64), width(128)), (2, width(128), width(256)),
                                   (2, width(256), width(512)), (2, width(512), width(512))):
        for i in range(convs):
            layers += [nn.Conv2d(inputs if i == 0 else outputs, outputs, 3, padding=1), nn.ReLU()]
        layers.append(nn.MaxPool2d(2, 2))
    hidden = width(4096)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width(512) * 49, hidden), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, 10))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, project=False, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, stride=stride)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv3 = nn.Conv2d(inputs, outputs, 1, stride=stride) if project else None
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (self.conv3(x) if self.conv3 else x))


def resnet18():
    layers = [nn.Conv2d(1, 64, 7, stride=2, padding=3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    for inputs, outputs, first in ((64, 64, True), (64, 128, False), (128, 256, False), (256, 512, False)):
        layers += [Residual(inputs, outputs, not first, 1 if first else 2), Residual(outputs, outputs)]
    return nn.Sequential(*layers, GlobalAvgPool2d(), nn.Flatten(), nn.Linear(512, 10))


class Inception(nn.Module):
    def __init__(self, inputs, c1, c2, c3, c4):
        super().__init__()
        self.p1_1 = nn.Conv2d(inputs, c1, 1)
        self.p2_1, self.p2_2 = nn.Conv2d(inputs, c2[0], 1), nn.Conv2d(c2[0], c2[1], 3, padding=1)
        self.p3_1, self.p3_2 = nn.Conv2d(inputs, c3[0], 1), nn.Conv2d(c3[0], c3[1], 5, padding=2)
        self.p4_1, self.p4_2 = nn.MaxPool2d(3, 1, 1), nn.Conv2d(inputs, c4, 1)

    def forward(self, x):
        p2 = F.relu(self.p2_2(F.relu(self.p2_1(x))))
        p3 = F.relu(self.p3_2(F.relu(self.p3_1(x))))
        return torch.cat((F.relu(self.p1_1(x)), p2, p3, F.relu(self.p4_2(self.p4_1(x)))), 1)


def googlenet():
    pool = lambda: nn.MaxPool2d(3, 2, 1)
    return nn.Sequential(
        nn.Conv2d(1, 64, 7, 2, 3), nn.ReLU(), pool(), nn.Conv2d(64, 64, 1), nn.Conv2d(64, 192, 3, padding=1), pool(),
        Inception(192, 64, (96, 128), (16, 32), 32), Inception(256, 128, (128, 192), (32, 96), 64), pool(),
        Inception(480, 192, (96, 208), (16, 48), 64), Inception(512, 160, (112, 224), (24, 64), 64),
        Inception(512, 128, (128, 256), (24, 64), 64), Inception(512, 112, (144, 288), (32, 64), 64),
        Inception(528, 256, (160, 320), (32, 128), 128), pool(), Inception(832, 256, (160, 320), (32, 128), 128),
        Inception(832, 384, (192, 384), (48, 128), 128), GlobalAvgPool2d(), nn.Flatten(), nn.Linear(1024, 10))


def nin():
    def block(inputs, outputs, kernel, stride, padding):
        return [nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU(), nn.Conv2d(outputs, outputs, 1), nn.ReLU(),
                nn.Conv2d(outputs, outputs, 1), nn.ReLU()]
    return nn.Sequential(
        *block(1, 96, 11, 4, 0), nn.MaxPool2d(3, 2), *block(96, 256, 5, 1, 2), nn.MaxPool2d(3, 2),
        *block(256, 384, 3, 1, 1), nn.MaxPool2d(3, 2), nn.Dropout(0.5), *block(384, 10, 3, 1, 1), GlobalAvgPool2d(),
        nn.Flatten())


def deep(depth):
    layers = []
    for i in range(depth):
        layers += [nn.Conv2d(1 if i == 0 else 32, 32, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, GlobalAvgPool2d(), nn.Flatten(), nn.Linear(32, 10))


# Each network, and the learning rate of its step.
NETS = {
    "mlp": (mlp, 0.01), "lenet": (lenet, 0.01), "vgg11": (lambda: vgg11(1), 0.001),
    "vgg11_small": (lambda: vgg11(8), 0.001), "resnet18": (resnet18, 0.001), "googlenet": (googlenet, 0.001),
    "nin": (nin, 0.001),
}


def find(name):
    """A network and its learning rate."""
    if name.startswith("deep"):
        return deep(int(name[4:])), 0.001
    return NETS[name][0](), NETS[name][1]


def vgg16_state():
    """The shapes of torchvision's VGG-16."""
    state, inputs, index = {}, 3, 0
    for convs, outputs in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(convs):
            state[f"features.{index}.weight"] = torch.rand(outputs, inputs, 3, 3)
            state[f"features.{index}.bias"] = torch.rand(outputs)
            inputs, index = outputs, index + 2
        index += 1
    for index, outputs, inputs in ((0, 4096, 25088), (3, 4096, 4096), (6, 1000, 4096)):
        state[f"classifier.{index}.weight"] = torch.rand(outputs, inputs)
        state[f"classifier.{index}.bias"] = torch.rand(outputs)
    return state
