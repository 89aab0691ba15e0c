// SPDX-License-Identifier: Apache-2.0
// One overload per verb. Each owns the whole ladder of ways to its intent and says in Outcome::rung which one it took.
#pragma once

#include "init/context.hpp"

namespace wherry::init {

// namespaces.cpp
Outcome execute(const plan::SetOomScoreAdj<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::HideFromTracers<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::OpenNamespace<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::EnterNamespace<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::CreateUserNamespace<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::CreateTimeNamespace<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::CreateNamespaces<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::OpenNetworkSocket<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::AwaitSlot<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SpawnPid1<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::BecomeRoot<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::StartSession<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::JoinSessionKeyring<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::BringUpLoopback<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SetHostname<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SetDomainname<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SetSysctl<Wired>& step, Context& context) noexcept;

// root.cpp
Outcome execute(const plan::SetPropagation<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::MountRoot<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::MountOverlay<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::PivotRoot<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::HideMount<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::MoveRoot<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::ChangeRoot<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::MakeRootReadonly<Wired>& step, Context& context) noexcept;

// mounts.cpp
Outcome execute(const plan::OpenTree<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::OpenFilesystem<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::Mount<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::Bind<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::MakeReadonly<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::MaskPath<Wired>& step, Context& context) noexcept;

// devices.cpp
Outcome execute(const plan::OpenDevice<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::MakeDevice<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::CreateDevice<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::BindDevice<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::CreateSymlink<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::OpenConsole<Wired>& step, Context& context) noexcept;

// hooks.cpp
Outcome execute(const plan::RunHook<Wired>& step, Context& context) noexcept;

// credentials.cpp
Outcome execute(const plan::SetRlimit<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SetCpuAffinity<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SetScheduler<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SetIoPriority<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SetPersonality<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SetMemoryPolicy<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SetProcessLabel<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SetUmask<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::LimitBoundingSet<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::OwnStandardStreams<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SetCredentials<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SetCapabilities<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SetNoNewPrivileges<Wired>& step, Context& context) noexcept;

// seccomp.cpp
os::Status set_child_flags(unsigned long flags) noexcept;  // SA_* of SIGCHLD
Outcome execute(const plan::LoadSeccomp<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::LoadSeccompWithListener<Wired>& step, Context& context) noexcept;

// program.cpp
Outcome execute(const plan::ChangeDirectory<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::FindHome<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::FindExecutable<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::SealDescriptors<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::AwaitStart<Wired>& step, Context& context) noexcept;
Outcome execute(const plan::Exec<Wired>& step, Context& context) noexcept;

}  // namespace wherry::init
