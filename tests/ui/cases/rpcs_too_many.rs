use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {}

macro_rules! many {
    ($([$($name:ident)*])*) => {
        #[rpcs]
        impl Ship {
            $($(#[rpc] fn $name(&mut self, _ctx: &RpcContext) {})*)*
        }
    };
}

many! {
    [call_00 call_01 call_02 call_03 call_04 call_05 call_06 call_07 call_08 call_09 call_0a call_0b call_0c call_0d call_0e call_0f]
    [call_10 call_11 call_12 call_13 call_14 call_15 call_16 call_17 call_18 call_19 call_1a call_1b call_1c call_1d call_1e call_1f]
    [call_20 call_21 call_22 call_23 call_24 call_25 call_26 call_27 call_28 call_29 call_2a call_2b call_2c call_2d call_2e call_2f]
    [call_30 call_31 call_32 call_33 call_34 call_35 call_36 call_37 call_38 call_39 call_3a call_3b call_3c call_3d call_3e call_3f]
    [call_40 call_41 call_42 call_43 call_44 call_45 call_46 call_47 call_48 call_49 call_4a call_4b call_4c call_4d call_4e call_4f]
    [call_50 call_51 call_52 call_53 call_54 call_55 call_56 call_57 call_58 call_59 call_5a call_5b call_5c call_5d call_5e call_5f]
    [call_60 call_61 call_62 call_63 call_64 call_65 call_66 call_67 call_68 call_69 call_6a call_6b call_6c call_6d call_6e call_6f]
    [call_70 call_71 call_72 call_73 call_74 call_75 call_76 call_77 call_78 call_79 call_7a call_7b call_7c call_7d call_7e call_7f]
    [call_80 call_81 call_82 call_83 call_84 call_85 call_86 call_87 call_88 call_89 call_8a call_8b call_8c call_8d call_8e call_8f]
    [call_90 call_91 call_92 call_93 call_94 call_95 call_96 call_97 call_98 call_99 call_9a call_9b call_9c call_9d call_9e call_9f]
    [call_a0 call_a1 call_a2 call_a3 call_a4 call_a5 call_a6 call_a7 call_a8 call_a9 call_aa call_ab call_ac call_ad call_ae call_af]
    [call_b0 call_b1 call_b2 call_b3 call_b4 call_b5 call_b6 call_b7 call_b8 call_b9 call_ba call_bb call_bc call_bd call_be call_bf]
    [call_c0 call_c1 call_c2 call_c3 call_c4 call_c5 call_c6 call_c7 call_c8 call_c9 call_ca call_cb call_cc call_cd call_ce call_cf]
    [call_d0 call_d1 call_d2 call_d3 call_d4 call_d5 call_d6 call_d7 call_d8 call_d9 call_da call_db call_dc call_dd call_de call_df]
    [call_e0 call_e1 call_e2 call_e3 call_e4 call_e5 call_e6 call_e7 call_e8 call_e9 call_ea call_eb call_ec call_ed call_ee call_ef]
    [call_f0 call_f1 call_f2 call_f3 call_f4 call_f5 call_f6 call_f7 call_f8 call_f9 call_fa call_fb call_fc call_fd call_fe call_ff]
    [one_too_many]
}

fn main() {}
