//! The written records: maintenance of a press line as a Korean shop floor writes it, and the public tier of a battery
//! passport (Regulation (EU) 2023/1542, Annex XIII, point 1). No person appears in either.

/// Work orders of lamination press line 3: UTF-8, one record per block, free text as it is typed at the terminal.
pub(crate) const MAINTENANCE: &str = "\
설비보전 기록 - 3호 프레스 라인 (모터코어 적층 타발)
기간: 2026-09-01 ~ 2026-09-30
작성 단위: 작업지시 1건당 1블록, 시각은 KST

[WO-2026-0914-03]
일시: 2026-09-14 08:12 ~ 09:47
설비: PR3-SPM-300 (300톤 고속 프레스), 금형 DIE-SC-0417
구분: 돌발정비
현상: 타발 중 하사점 편차 알람(E-217) 3회 반복. 적층 높이 편차 +0.08 mm (규격 ±0.05 mm).
원인: 슬라이드 기브 좌측 하부 마모. 간극 0.11 mm 측정 (기준 0.04 mm 이하).
조치: 기브 라이너 교체, 간극 0.03 mm 로 조정. 윤활유 분배기 4번 라인 막힘 세척.
확인: 공타 200회, 시타 50매. 적층 높이 편차 +0.01 mm. 정상 가동 복귀.
부품: LNR-300-L2 1EA, 윤활유 ISO VG 68 4 L
정지시간: 95분

[WO-2026-0915-01]
일시: 2026-09-15 13:30 ~ 14:05
설비: PR3-UNC-02 (언코일러)
구분: 예방정비
현상: 소재 장력 변동 ±12 % (기준 ±8 %).
원인: 브레이크 디스크 표면 오염(방청유 혼입).
조치: 디스크 탈지 세척, 패드 두께 6.1 mm 확인(교체 한계 3.0 mm). 장력 센서 영점 재설정.
확인: 소재 25PNX1250F 0.25 t, 120 SPM 에서 장력 변동 ±5 %.
정지시간: 35분

[WO-2026-0917-02]
일시: 2026-09-17 22:40 ~ 2026-09-18 01:15
설비: WLD-LS-01 (적층 코어 레이저 용접기)
구분: 품질이상 대응
현상: 비전검사에서 용접 비드 기공 검출. 로트 SC-260917-B 중 4/600 개. 화상: stator-weld-0417.png
원인: 실드가스(Ar) 유량 저하 14 L/min (설정 20 L/min). 유량계 전단 퀵커플러 누설.
      소재 표면 타발유 잔류량도 평소보다 많음 (1.9 g/m2, 기준 1.2 g/m2 이하).
조치: 퀵커플러 및 호스 교체, 탈지 노즐 2개 청소. 용접 출력 2.4 kW, 속도 38 mm/s 는 변경 없음.
확인: 재용접 시험편 20개 단면 절단, 기공 0개. 인장 하중 평균 3.4 kN (기준 2.8 kN 이상).
처리: 불량 4개 폐기, 동일 로트 나머지는 전수 화상 재검사 후 합격.
정지시간: 155분

[WO-2026-0921-01]
일시: 2026-09-21 10:05 ~ 10:50
설비: SPD-07 (회전자 축 연삭 스핀들 모터)
구분: 예지정비
현상: 진동 속도 실효값 4.9 mm/s (주의 2.8, 위험 7.1). 금속성 소음. 녹음: spindle-motor-7.wav
원인: 베어링 6205 외륜 결함 추정. 포락선 스펙트럼에서 106.8 Hz 와 배수 성분 (외륜 통과 주파수 계산값 106.8 Hz, 1788 rpm).
조치: 그리스 보충으로 임시 가동. 베어링 교체를 9월 26일 정기 휴지에 계획.
확인: 보충 뒤 3.6 mm/s. 하루 2회 측정으로 관찰 등급 상향.
정지시간: 45분

[WO-2026-0926-04]
일시: 2026-09-26 07:30 ~ 10:20
설비: SPD-07 (회전자 축 연삭 스핀들 모터)
구분: 계획정비 (WO-2026-0921-01 후속)
현상: 베어링 외륜 결함.
원인: 분해 결과 외륜 전주면에 길이 3.5 mm 박리. 냉각수 유입 흔적, 립 씰 경화.
조치: 베어링 6205-2Z/C3 2개, 립 씰 25x42x7 교체. 축 흔들림 0.006 mm 로 조정.
확인: 1788 rpm 무부하 30분, 진동 0.9 mm/s, 베어링 온도 47 ℃ 에서 안정.
부품: 6205-2Z/C3 2EA, SEAL-25-42-7 1EA
정지시간: 170분

[WO-2026-0929-02]
일시: 2026-09-29 15:10 ~ 15:55
설비: DYN-02 (인버터 동력계)
구분: 시험 중 이상
현상: 내구시험 중 전력모듈 온도 118 ℃ 초과, 인버터 출력 제한(고장코드 0x21). 데이터: inverter-endurance.csv
원인: 냉각수 펌프 흡입측 스트레이너 막힘. 시험 150초부터 약 22초간 유량 저하.
조치: 스트레이너 세척, 배관 공기 빼기. 유량 10.0 L/min 확인.
확인: 같은 부하 조건 재시험, 모듈 최고 온도 84 ℃. 출력 제한 없음.
정지시간: 45분
";

/// A passport that anybody may read: what Annex XIII opens to the public, and nothing of the other tiers.
pub(crate) const PASSPORT: &str = r#"{
  "passport": {
    "identifier": "urn:example:passport:hd-pk77-0000417",
    "schema": "EU 2023/1542 Annex XIII point 1",
    "accessTier": "public",
    "issued": "2026-10-02",
    "version": 1
  },
  "identification": {
    "uniqueIdentifier": "https://battery.example/01/08801234567891/21/PK77-0000417",
    "model": "PK77-NCM622-400V",
    "batteryCategory": "electric vehicle battery",
    "manufacturer": {
      "name": "Haedong E-Drive Co., Ltd. (fictitious)",
      "country": "KR",
      "webAddress": "https://haedong.example"
    },
    "manufacturingPlace": { "country": "KR", "city": "Changwon" },
    "manufacturingDate": "2026-09",
    "massKilogram": 431.5,
    "status": "original"
  },
  "materials": {
    "chemistry": { "shortName": "NCM622", "clearName": "lithium nickel manganese cobalt oxide, graphite" },
    "criticalRawMaterials": ["cobalt", "lithium", "natural graphite", "nickel (battery grade)"],
    "hazardousSubstances": [
      {
        "name": "lithium hexafluorophosphate",
        "casNumber": "21324-40-3",
        "location": "electrolyte",
        "concentrationPercent": 1.6
      }
    ],
    "usableExtinguishingAgent": "water, class D powder for single cells"
  },
  "carbonFootprint": {
    "totalKilogramCo2ePerKilowattHour": 71.4,
    "shareByStagePercent": {
      "rawMaterialAcquisitionAndPreprocessing": 61.2,
      "mainProductProduction": 33.5,
      "distribution": 1.9,
      "endOfLifeAndRecycling": 3.4
    },
    "performanceClass": "C",
    "studyWebLink": "https://haedong.example/cf/pk77-2026.pdf"
  },
  "supplyChainDueDiligence": { "reportWebLink": "https://haedong.example/due-diligence/2026.pdf" },
  "recycledContentPercent": {
    "cobalt": { "preConsumer": 11.0, "postConsumer": 6.5 },
    "lithium": { "preConsumer": 3.0, "postConsumer": 3.5 },
    "nickel": { "preConsumer": 4.0, "postConsumer": 3.0 },
    "lead": { "preConsumer": 0.0, "postConsumer": 0.0 }
  },
  "renewableContentPercent": 0.0,
  "performance": {
    "ratedCapacityAmpereHour": 211.0,
    "certifiedUsableEnergyKilowattHour": 77.4,
    "voltageVolt": { "minimum": 288.0, "nominal": 370.0, "maximum": 416.0 },
    "voltageTemperatureRangeCelsius": { "lower": -20, "upper": 50 },
    "originalPowerCapabilityWatt": 250000,
    "powerLimitWatt": { "continuous": 150000, "peakTenSeconds": 250000 },
    "expectedLifetimeCycles": 1500,
    "cycleLifeReferenceTest": "IEC 62660-1:2018",
    "cycleLifeTestCRate": 0.5,
    "capacityThresholdForExhaustionPercent": 70,
    "idleTemperatureRangeCelsius": { "lower": -40, "upper": 60 },
    "roundTripEnergyEfficiencyPercent": { "initial": 95.8, "atHalfCycleLife": 94.1 },
    "internalResistanceOhm": { "cell": 0.00087, "pack": 0.084 },
    "commercialWarranty": { "months": 96, "kilometres": 160000 }
  },
  "labels": {
    "separateCollectionSymbol": true,
    "cadmiumSymbol": false,
    "leadSymbol": false,
    "meaning": "Do not put in household waste; hand over to a collection point."
  },
  "conformity": {
    "euDeclarationOfConformity": "https://haedong.example/doc/PK77-NCM622-400V.pdf",
    "identifierOfDeclaration": "DOC-2026-0417"
  },
  "endOfLife": {
    "wastePrevention": "Charge between 20 and 80 percent where the journey allows it.",
    "separateCollection": "Return to any dealer or to a treatment facility, free of charge.",
    "collectionPointsWebLink": "https://haedong.example/return"
  }
}
"#;
