"""Tracepoints of Linux 6.18, by category: which structure of BTF, struct trace_event_raw_CLASS, has the fields of each.

Source: events/*/*/format in tracefs, compared with the structures of the kernel's BTF. "-" is an event with a structure
of its own name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_ROWS = """
block -: blkdev_zone_mgmt block_bio_complete block_bio_remap block_plug block_rq_remap block_rq_requeue block_split
    block_unplug
block block_bio: block_bio_backmerge block_bio_frontmerge block_bio_queue block_getrq
block block_buffer: block_dirty_buffer block_touch_buffer
block block_rq: blk_zone_append_update_request_bio block_io_done block_io_start block_rq_insert block_rq_issue
    block_rq_merge
block block_rq_completion: block_rq_complete block_rq_error
block block_zwplug: blk_zone_wplug_bio disk_zone_wplug_add_bio
cgroup cgroup: cgroup_freeze cgroup_mkdir cgroup_release cgroup_rename cgroup_rmdir cgroup_unfreeze
cgroup cgroup_event: cgroup_notify_frozen cgroup_notify_populated
cgroup cgroup_migrate: cgroup_attach_task cgroup_transfer_tasks
cgroup cgroup_root: cgroup_destroy_root cgroup_remount cgroup_setup_root
cgroup cgroup_rstat: cgroup_rstat_lock_contended cgroup_rstat_locked cgroup_rstat_unlock
exceptions exceptions: page_fault_kernel page_fault_user
irq -: irq_handler_entry irq_handler_exit
irq softirq: softirq_entry softirq_exit softirq_raise
irq tasklet: tasklet_entry tasklet_exit
kmem -: kfree kmalloc kmem_cache_alloc kmem_cache_free mm_calculate_totalreserve_pages mm_page_alloc
    mm_page_alloc_extfrag mm_page_free mm_page_free_batched mm_page_pcpu_drain mm_setup_per_zone_lowmem_reserve
    mm_setup_per_zone_wmarks rss_stat
kmem mm_page: mm_page_alloc_zone_locked
napi -: dql_stall_detected napi_poll
net -: net_dev_start_xmit net_dev_xmit net_dev_xmit_timeout
net net_dev_rx_exit_template: napi_gro_frags_exit napi_gro_receive_exit netif_receive_skb_exit
    netif_receive_skb_list_exit netif_rx_exit
net net_dev_rx_verbose_template: napi_gro_frags_entry napi_gro_receive_entry netif_receive_skb_entry
    netif_receive_skb_list_entry netif_rx_entry
net net_dev_template: net_dev_queue netif_receive_skb netif_rx
oom -: compact_retry finish_task_reaping mark_victim oom_score_adj_update reclaim_retry_zone skip_task_reaping
    start_task_reaping wake_reaper
power -: cpu_frequency_limits cpu_idle_miss guest_halt_poll_ns pstate_sample suspend_resume
power cpu: cpu_frequency cpu_idle
power cpu_latency_qos_request: pm_qos_add_request pm_qos_remove_request pm_qos_update_request
power dev_pm_qos_request: dev_pm_qos_add_request dev_pm_qos_remove_request dev_pm_qos_update_request
power pm_qos_update: pm_qos_update_flags pm_qos_update_target
power wakeup_source: wakeup_source_activate wakeup_source_deactivate
qdisc -: qdisc_create qdisc_dequeue qdisc_destroy qdisc_enqueue qdisc_reset
raw_syscalls -: sys_enter sys_exit
sched -: sched_kthread_stop sched_kthread_stop_ret sched_kthread_work_execute_end sched_kthread_work_execute_start
    sched_kthread_work_queue_work sched_migrate_task sched_move_numa sched_pi_setprio sched_prepare_exec
    sched_process_exec sched_process_exit sched_process_fork sched_process_hang sched_process_wait
    sched_skip_cpuset_numa sched_skip_vma_numa sched_stat_runtime sched_switch sched_wake_idle_without_ipi
sched sched_numa_pair_template: sched_stick_numa sched_swap_numa
sched sched_process_template: sched_process_free sched_wait_task
sched sched_wakeup_template: sched_wakeup sched_wakeup_new sched_waking
signal -: signal_deliver signal_generate
skb -: consume_skb kfree_skb skb_copy_datagram_iovec
sock -: inet_sk_error_report inet_sock_set_state sk_data_ready sock_exceed_buf_limit sock_rcvqueue_full
sock sock_msg_length: sock_recv_length sock_send_length
task -: task_newtask task_prctl_unknown task_rename
tcp -: tcp_cong_state_set tcp_probe tcp_rcvbuf_grow tcp_retransmit_skb tcp_retransmit_synack tcp_send_reset
    tcp_sendmsg_locked
tcp tcp_ao_event: tcp_ao_handshake_failure
tcp tcp_event_sk: tcp_destroy_sock tcp_rcv_space_adjust tcp_receive_reset
tcp tcp_event_skb: tcp_bad_csum
tcp tcp_hash_event: tcp_hash_ao_required tcp_hash_bad_header tcp_hash_md5_mismatch tcp_hash_md5_required
    tcp_hash_md5_unexpected
timer -: hrtimer_expire_entry hrtimer_setup hrtimer_start itimer_expire itimer_state tick_stop timer_base_idle
    timer_expire_entry timer_start
timer hrtimer_class: hrtimer_cancel hrtimer_expire_exit
timer timer_class: timer_cancel timer_expire_exit timer_init
udp -: udp_fail_queue_rcv_skb
workqueue -: workqueue_activate_work workqueue_execute_end workqueue_execute_start workqueue_queue_work
xdp -: bpf_xdp_link_attach_failed mem_connect mem_disconnect xdp_bulk_tx xdp_cpumap_enqueue xdp_cpumap_kthread
    xdp_devmap_xmit xdp_exception
xdp xdp_redirect_template: xdp_redirect xdp_redirect_err
"""


def _rows() -> Iterator[tuple[str, str]]:
    """Each event, "sched:sched_wakeup", with its class."""
    for line in _ROWS.replace("\n    ", " ").strip().split("\n"):
        head, _, names = line.partition(": ")
        category, _, kind = head.partition(" ")
        yield from ((f"{category}:{name}", name if kind == "-" else kind) for name in names.split())


CLASSES: Mapping[str, str] = dict(_rows())
