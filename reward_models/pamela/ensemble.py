"""The members of a PAMELA reward and the people they know: vectors, how surely each is known, demographics.

Shapes: n pictures, U people, P known people, M members, B batch, D features, W model width, K axes that people span.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from reward_models.base import Person, RewardError, UnknownPerson
from reward_models.encoders.base import Encoder
from reward_models.encoders.identity import weights_hash
from reward_models.pamela.anchor import Anchor
from reward_models.pamela.model import PamelaConfig, PamelaPredictor, SaidTable
from reward_models.pamela.people import FittedPerson, PersonPrior, Rows, fit_people, sensitivity
from reward_models.ratings.classes import sentence
from reward_models.registry import not_found

FEW, ROWS = 1024, 32  # answers at once, and in one batch of these


class Ensemble:
    """Members of several seeds, and what is known of people.

    All of it is computed on the CPU, wherever pictures are read: it is small, a person's fit needs log_ndtr, which
    Apple's GPUs lack, and a person's scores then differ between machines by no more than the features do.

    ``priors``: where people's vectors lie, one per member; ``covariances``: posterior of every person on the prior's
    axes, one (P + 1, K, K) per member, row 0 the prior itself; ``demographics``: what is known of each person;
    ``anchor``: what everybody makes of pictures, None for the members' own answer. ``levels``: added to the answers for
    people taught later.
    """

    def __init__(
        self,
        config: PamelaConfig,
        members: Sequence[PamelaPredictor],
        priors: Sequence[PersonPrior],
        covariances: Sequence[Tensor],
        demographics: dict[str, dict[str, str]] | None = None,
        anchor: Anchor | None = None,
    ):
        self.config = config
        self.anchor, self.levels = anchor, dict[str, list[float]]()
        self.members = [m.eval().requires_grad_(False).cpu() for m in members]
        self.priors, self.covariances = list(priors), list(covariances)
        self.demographics = demographics or {}
        self.trained = tuple(config.people)  # those taught later are not among them
        self._fingerprint = ""

    def fingerprint(self) -> str:
        """Hash of the members' weights as trained: people taught since change nothing."""
        if not self._fingerprint:
            self._fingerprint = weights_hash(*self.members)
            if self.anchor is not None:  # what it was trained with, beside the weights
                told = repr((self.anchor.share, round(self.anchor.effect, 4), self.priors[0].amounts))
                digest = hashlib.sha256(told.encode() + self.anchor.means.mean.astype(np.float32).tobytes())
                self._fingerprint += digest.hexdigest()[:8]
        return self._fingerprint

    def keep(self, members: int) -> None:
        """Only the first ``members`` of those that were trained. Raises RewardError where there are fewer."""
        if members > len(self.members):
            raise RewardError(f"the reward has {len(self.members)} members, not {members}")
        self.members, self.priors = self.members[:members], self.priors[:members]
        self.covariances = self.covariances[:members]
        self.levels = {p: levels[:members] for p, levels in self.levels.items()}
        self._fingerprint = ""

    def check(self, people: Sequence[Person]) -> None:
        """Raises UnknownPerson for an id that has no vector."""
        known = set(self.config.people)
        for person in people:
            if person.id is not None and person.id not in known:
                raise UnknownPerson(not_found("person", person.id, self.config.people))

    def predict(
        self, pictures: Tensor, texts: Tensor, people: Sequence[Person], batch: int = 8192
    ) -> tuple[np.ndarray, np.ndarray]:
        """Liking and its standard deviation, (U, n) each, from features (n, D); metadata is unknown when steering.

        The variance is that of the members' answers plus the mean of each member's own: the person's covariance seen
        through the slope of the answer in the person's vector. With an anchor what everybody makes of a picture is the
        anchor's, and members add what the person differs by. Up to ``FEW`` answers are made in batches of one fixed
        shape: then an answer is the same to the last bit whatever is asked beside it, as a resumed run or a batch
        needs.
        """
        pictures, texts = pictures.cpu().clone(), texts.cpu().clone()
        n = len(pictures)
        if not len(people) * n:
            return np.zeros((len(people), n), np.float32), np.zeros((len(people), n), np.float32)
        asked_for = len(people)
        people = people if self.anchor is None else [*people, Person()]
        index, fields = self.rows(people)
        means, variances = [], []
        few = len(people) * n <= FEW
        # every (person, picture)
        for pairs in torch.arange(len(people) * n).split(ROWS if few else batch):
            asked = len(pairs)
            if few:
                pairs = torch.cat([pairs, pairs[-1:].expand(ROWS - asked)])
            k, i = pairs // n, pairs % n
            answers, own = [], []
            for member, prior, covariance in zip(self.members, self.priors, self.covariances, strict=True):
                vectors = member.person.weight[index[k]]
                answer, slope = sensitivity(member, pictures[i], texts[i], vectors, fields[k])
                along = slope @ prior.axes.T  # (B, K)
                own.append(torch.einsum("bk,bkl,bl->b", along, covariance[index[k]], along))
                answers.append(answer)
            each = torch.stack(answers)  # (M, B)
            means.append(each.mean(0)[:asked])
            variances.append((each.var(0, unbiased=False) + torch.stack(own).mean(0))[:asked])
        mean, variance = (torch.cat(v).view(len(people), n) for v in (means, variances))
        found = mean[:asked_for].numpy()
        if self.anchor is not None:
            head = mean[asked_for].double().numpy()
            shift = (self.anchor(pictures.double().numpy(), head) - head).astype(np.float32)
            levels = np.array([np.mean(self.levels.get(p.id or "", [0.0])) for p in people[:asked_for]], np.float32)
            found = np.clip(found + shift + levels[:, None], 0, 1)
        return found, variance[:asked_for].clamp(min=0).sqrt().numpy()

    @torch.inference_mode()
    def nobody(self, pictures: Tensor, texts: Tensor, batch: int = 8192) -> Tensor:
        """Every member's answer (M, n) for nobody in particular, without the anchor."""
        fields = torch.zeros(1, len(self.config.fields), dtype=torch.long)
        parts = []
        for rows in torch.arange(len(pictures)).split(batch):
            x, q = pictures[rows], texts[rows]
            known = fields.expand(len(x), -1)
            parts.append(torch.stack([m(x, q, m.person.weight[:1].expand(len(x), -1), known) for m in self.members]))
        return torch.cat(parts, 1) if parts else torch.zeros(len(self.members), 0)

    def shift(self, pictures: Tensor, texts: Tensor) -> np.ndarray:
        """What the anchor adds to every answer (n,); 0 without one."""
        if self.anchor is None or not len(pictures):
            return np.zeros(len(pictures))
        x, q = pictures.cpu().clone(), texts.cpu().clone()
        head = self.nobody(x, q).mean(0).double().numpy()
        found: np.ndarray = self.anchor(x.double().numpy(), head) - head
        return found

    def rows(self, people: Sequence[Person]) -> tuple[Tensor, Tensor]:
        """Person table rows (U,) and field rows (U, F)."""
        row_of = {p: i + 1 for i, p in enumerate(self.config.people)}
        rows = []
        for person in people:
            shown = self.demographics.get(person.id or "", {}) | person.demographics
            rows.append(self.config.row({k: shown[k] for k in self.config.demographics if k in shown}))
        index = [row_of.get(person.id or "", 0) for person in people]
        return torch.tensor(index), torch.tensor(rows)

    def hear(self, people: Sequence[Person], encoder: Encoder) -> None:
        """Take in the words of demographics that training never saw, where the members read them in words."""
        config = self.config
        if config.demographics_by != "text":
            return
        shown = (self.demographics.get(p.id or "", {}) | dict(p.demographics) for p in people)
        wanted = dict.fromkeys((n, v) for each in shown for n, v in each.items() if n in config.demographics)
        for name, value in wanted:
            if value in config.vocabularies[name]:
                continue
            self.fingerprint()
            said = encoder.texts([sentence(name, value)])  # (1, D)
            config.vocabularies[name].append(value)
            for member in self.members:
                table = member.fields[config.fields.index(name)]
                assert isinstance(table, SaidTable)
                table.said = torch.cat([table.said, said.to(table.said)])

    def fit_people(
        self,
        pictures: Tensor,
        prompts: Tensor,
        liking: np.ndarray,
        owner: np.ndarray,
        demographics: Sequence[Mapping[str, str]],
        noise: np.ndarray | None = None,
        choices: np.ndarray | None = None,
        said: np.ndarray | None = None,
    ) -> list[list[FittedPerson]]:
        """What each member makes of U people's ratings, (M, U); see :func:`reward_models.pamela.people.fit_people`.

        Each is fitted to what the ratings differ by from the anchor.
        """
        known = [self.config.row(d)[: len(self.config.demographics)] for d in demographics]
        x, q = pictures.cpu().clone(), prompts.cpu().clone()
        y = torch.as_tensor(liking, dtype=torch.float32)
        whose = torch.as_tensor(owner, dtype=torch.long)
        spread = self.config.noise if noise is None else torch.as_tensor(noise, dtype=torch.float32)
        pairs = None if choices is None else torch.as_tensor(choices, dtype=torch.long)
        statements = None if said is None else torch.as_tensor(said, dtype=torch.bool)
        offsets = torch.zeros(len(self.members), len(x))
        if self.anchor is not None and len(x):
            each = self.nobody(x, q)
            base = self.anchor(x.double().numpy(), each.mean(0).double().numpy())
            offsets = torch.from_numpy(base).float() - each
        return [
            fit_people(m, p, x, q, y, whose, known, spread, pairs, Rows(o, statements))
            for m, p, o in zip(self.members, self.priors, offsets, strict=True)
        ]

    def add_person(self, person: str, fitted: Sequence[FittedPerson], demographics: Mapping[str, str]) -> None:
        """Give a person, new or known, the vector and covariance that each member found (M,)."""
        self.fingerprint()
        if person not in self.config.people:
            self.config.people.append(person)
        row = self.config.index("person", person)
        for k, member in enumerate(self.members):
            table, covariance = member.person.weight.detach(), self.covariances[k]
            rows = len(self.config.people) + 1
            vectors, spreads = table.new_zeros(rows, table.shape[1]), covariance.new_zeros(rows, *covariance.shape[1:])
            vectors[: len(table)], spreads[: len(table)] = table, covariance
            vectors[row], spreads[row] = fitted[k].vector, fitted[k].covariance
            member.person, self.covariances[k] = nn.Embedding.from_pretrained(vectors), spreads
        self.levels[person] = [each.level for each in fitted]
        self.demographics[person] = dict(demographics)

    def person(self, person: str) -> list[FittedPerson]:
        """What each member knows of a person, (M,). Raises UnknownPerson."""
        self.check([Person(person)])
        row = self.config.index("person", person)
        levels = self.levels.get(person, [0.0] * len(self.members))
        each = zip(self.members, self.covariances, levels, strict=True)
        return [FittedPerson(m.person.weight[row], c[row], level) for m, c, level in each]

    def open_share(self, person: str) -> float:
        """Share in [0, 1] of what people differ by that is unknown of this one: variance left of the prior's, mean over
        members.

        Raises UnknownPerson.
        """
        shares = []
        for prior, own in zip(self.priors, self.person(person), strict=True):
            size = prior.axes.pow(2).sum(1)
            shares.append(float((own.covariance.diagonal() * size).sum() / size.sum()))
        return float(np.mean(shares))
