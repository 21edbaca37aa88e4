"""Tissues that a section and a whole chest share: parenchyma, chest wall, bone, mediastinal fat, in HU."""

import numpy as np

AIR = -1000.0
FAT = -100.0
MUSCLE = 52.0
BLOOD = 40.0
CORTEX = 560.0
MARROW = 190.0

RIB_DEPTH_MM = 7.0  # of a rib's centre beyond the pleura
RIB_HALF_THICKNESS_MM = 4.2
RIB_HALF_HEIGHT_MM = 6.5
RIB_SPACING_MM = 26.0
CORTEX_MM = 1.7
INTERCOSTAL_MM = 12.0  # muscle between and just outside the ribs


def cover(hu: np.ndarray | float, material: np.ndarray | float, coverage: np.ndarray) -> np.ndarray:
    """`hu` with `material` over the share `coverage` (0..1) of each voxel; float32."""
    hu = np.asarray(hu, dtype=np.float32)
    return hu + (np.asarray(material, dtype=np.float32) - hu) * coverage


def parenchyma(base_hu: float, height_mm: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """Lung without vessels: denser towards the back, where blood sinks in a patient lying on it.

    Args:
        base_hu: at the height 0. height_mm: towards the front (-) or the back (+). texture: noise of deviation 1.
    """
    return np.float32(base_hu) + np.float32(0.45) * height_mm.astype(np.float32) + np.float32(16) * texture


def chest_wall(depth_mm: np.ndarray, along_mm: np.ndarray, fat_from_mm: float | np.ndarray) -> np.ndarray:
    """What lies beyond the pleura: extrapleural fat, intercostal muscle, ribs, muscle, then subcutaneous fat.

    Args:
        depth_mm: distance beyond the pleura. along_mm: position across the ribs, which come every RIB_SPACING_MM.
        fat_from_mm: depth at which the muscles end and the subcutaneous fat begins.
    """
    between_muscles = (depth_mm > INTERCOSTAL_MM) & (depth_mm < INTERCOSTAL_MM + 2)
    layers = [depth_mm < 1.2, between_muscles, depth_mm > fat_from_mm]
    hu = np.select(layers, [np.float32(-10), np.float32(-60), np.float32(FAT)], np.float32(MUSCLE))
    across = along_mm - np.rint(along_mm / RIB_SPACING_MM) * np.float32(RIB_SPACING_MM)
    level = np.sqrt(((depth_mm - RIB_DEPTH_MM) / RIB_HALF_THICKNESS_MM) ** 2 + (across / RIB_HALF_HEIGHT_MM) ** 2)
    return add_bone(hu, (1 - level) * np.float32(RIB_HALF_THICKNESS_MM))


def add_bone(hu: np.ndarray, depth_mm: np.ndarray) -> np.ndarray:
    """`hu` with a bone, cortex around marrow, where the depth below its surface is positive."""
    with_cortex = cover(hu, CORTEX, np.clip(depth_mm + 0.5, 0, 1))
    return cover(with_cortex, MARROW, np.clip(depth_mm - (CORTEX_MM - 0.5), 0, 1))


def mediastinal_contents(texture: np.ndarray) -> np.ndarray:
    """Organs of the mediastinum's border with fat between them, where the smooth `texture` (deviation 1) is high."""
    fat = np.clip((texture - 0.6) * 2.0, 0, 1)
    return cover(np.full(texture.shape, BLOOD, dtype=np.float32), FAT + 10, fat)


def mediastinal_fat(texture: np.ndarray) -> np.ndarray:
    """Fat with strands and small nodes where the smooth `texture` (deviation 1) is high; float32."""
    fat = np.float32(FAT) + 10 * texture
    return cover(fat, BLOOD - 10, np.clip((texture - 1.3) * 1.2, 0, 1))
