"""An HDF5 file that keeps HDF5's library busy for ever, or ends its process, is refused after a time."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from core.config import DataConfig
from core.data.dataset import DatasetError
from core.data.sources import hdf5_probe
from core.data.sources.hdf5_probe import StuckError, check_ends

ENDLESS = base64.b85decode(
    "c-rgqaB<`1lHy_j0S*oZ76t(ZWbhvf61Y+MF!=;1%?PDCp!5nRm^dR?P68?}2sIyFT}Y6tD@ZlWbn2Lc05JC&us~>3Uyg#20z6zD13+{Hln+Z!"
    "Czw#xW#%TPrxr6X<Rm7g<`g5+w*#5>GBU72%wUA^Eg&>AM1TjXjsuOxCC&^?!Hm#!%!nkz3Zy}NCMG6Eh$zH|Kx+_MQ9!|f#6z&3zY8M+6Wmb>"
    "%=p#A@@oa_Xd1?!t|0Nv$cUP*c+k@g2Q0-n5K1@Ps3koNOc)LPQ2+<xJZ{+sHpf*vZDQWuTCwHP#HFhRFILFBn=Q}U?p-!L>cSH9)mg{<Cce3="
    "<KWGn8o21H!S)|q%F`VuD>TfFXb9asap%E4WryUK9!$ZKEH54{+S%{Kq-MFB@$%LXgN}LcI&-)uur-S8*6xnqrm23#@9mt_0N1(`@o$&{Zuq;|"
    "Fw3nz>FAPhKl``0@I?Q=ylY=vTh)4)D|Gwfn-hh$m8*&_*1CNu-=k=qr|c7t=eJH}hfLV49?NCbz9;hVOy>ZeRogyHn6aflZMTT>Ka2er4DT2E"
    "eJq@2B_?InKJVm;{>h4t3Qs#C%DjaW-aa+E#kTq_=Z8ld3xtdwt4kkL4buG}d^Mk2{dQT*>xPdD#r7~rwKY#_47cK0(6@H-A*0AQo1I^#FX`Q#"
    "um3Ei;u&ZBXQPMGhFsb|>hiB1;I27-D|-X)M{d8PbJO|iBN&(L{p)n8ZzjW!Hy_i3b(vQ;A1RTUx$jCt^UnhZJp<Ai#KY=jzfaC8XlT1w_rWsP"
    "UgLz%zQ;oQAF5`CaHzYt%dqWUz30NdRV6%IGk&gky{>fDTYhyHy*U=yGELDB6-0N>-?>C8?fb-KS#Pdg7g%+W@#MEh3S9SYo;<`f+qYFVtXb?1"
    "M~R4t{0zNcPS?&}dcT9~OPsiE^tTid)p*;0=8Z;wzbCsg#&TV__{ij(V`8XS+r^G;M=XVE?pO92tqxjwvf9dDwC(X~F84Dp>h~-CD9?T!F=xVe"
    "J{bk)zb=|N-)4U6=n6Jle%&s-;ERBW>TK1pw-=76Z}{{)mQyUU^gQpu<Xw-yz0_UR?>1-p+?@JbpB&kwcrxEqo{-(H)S2nGiCvu8=TD5-Iw6jO"
    "yA-WdZ>c#qbv6n-H9UIbO~IF`&Vk2Y@^9l@U%O*M{I%537xUIm7Zh-sU9j}wM&<A~#xE?6@T%w9viILJyzcjHny$1mU(VY;>)9U;8hmngtb1|V"
    "WqHY6o2UsZOrCC!dZat)o0<OPix&ADGV;b39?CIq_c)fsb>4&7*Y}L02KUrBr~S7$?qBaY6Ego016n(n39Yh)Hai($)fXF-W=E^nIiWNcl!g|*"
    "3;^s*t~U"
)
"""A file of twelve images in which some bits were flipped: opening it never ends."""


def test_a_file_that_is_never_opened_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from core.data.preparation import prepare

    monkeypatch.setattr(hdf5_probe, "PATIENCE_S", 0.5)
    (file := tmp_path / "images.h5").write_bytes(zlib.decompress(ENDLESS))
    with pytest.raises(DatasetError, match=r"images\.h5 cannot be read as HDF5 .*did not get on with it for 0\.5 s"):
        prepare(DataConfig(path=str(file), image_size=16), cache=tmp_path / "cache")


def test_a_sound_file_passes_and_a_look_can_be_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file["group/images"] = np.zeros((3, 16, 16), np.uint8)
        file["loop"] = h5py.SoftLink("/")
        file["group/again"] = file["group"]
    check_ends(tmp_path / "images.h5")
    check_ends(tmp_path / "none.h5")  # whoever reads it says what is wrong

    def give_up(_: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        check_ends(tmp_path / "images.h5", give_up)


def test_a_file_that_ends_the_process_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (program := tmp_path / "program.py").write_text("import os; os.abort()")
    monkeypatch.setattr(hdf5_probe, "__file__", str(program))
    with pytest.raises(StuckError, match="ends its process over it, with status"):
        check_ends(tmp_path / "images.h5")
